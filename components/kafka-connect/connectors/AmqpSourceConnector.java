package datamill;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AlreadyClosedException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import java.io.IOException;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.connect.connector.Task;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A queue of AMQP 0.9.1 to Kafka. */
public final class AmqpSourceConnector extends Source.Connector {
    @Override
    public Class<? extends Task> taskClass() {
        return AmqpTask.class;
    }

    @Override
    public ConfigDef config() {
        return definitionOf();
    }

    static ConfigDef definitionOf() {
        return Source.config()
                .define("vhost", Type.STRING, "/", Importance.MEDIUM, "the virtual host")
                .define("queue", Type.STRING, Importance.HIGH, "the queue to read; made (durable) if it is not there")
                .define("exchange", Type.STRING, "amq.topic", Importance.LOW, "what the queue is bound to")
                .define("binding", Type.STRING, "", Importance.LOW, "the routing key it is bound with; the queue's name unless said")
                .define("prefetch", Type.INT, 1000, Importance.LOW, "how many messages may be under way");
    }

    /** The consumer. */
    public static final class AmqpTask extends Source.MessageTask {
        private static final Logger LOG = LoggerFactory.getLogger(AmqpTask.class);
        private Connection connection;

        @Override
        protected ConfigDef definition() {
            return definitionOf();
        }

        @Override
        protected void open() throws Exception {
            ConnectionFactory f = new ConnectionFactory();
            f.setHost(config.getString("host"));
            f.setPort(config.getInt("port"));
            f.setVirtualHost(config.getString("vhost"));
            f.setUsername(config.getString("user"));
            f.setPassword(config.getPassword("password").value());
            f.setNetworkRecoveryInterval(2000);
            connection = f.newConnection("connect-" + name);
            Channel channel = connection.createChannel();
            String queue = config.getString("queue"), binding = config.getString("binding");
            channel.queueDeclare(queue, true, false, false, Map.of());
            channel.queueBind(queue, config.getString("exchange"), binding.isEmpty() ? queue : binding);
            channel.basicQos(config.getInt("prefetch"));
            channel.basicConsume(queue, false, new DefaultConsumer(channel) {
                @Override
                public void handleDelivery(String tag, Envelope e, AMQP.BasicProperties p, byte[] body) {
                    try {
                        arrived(new Source.Message(e.getRoutingKey(), body, () -> confirm(channel, e.getDeliveryTag())));
                    } catch (InterruptedException stop) {
                        Thread.currentThread().interrupt();
                    }
                }

                @Override
                public void handleCancel(String tag) {
                    broken(new IOException("the queue is gone"));
                }
            });
        }

        private void confirm(Channel channel, long tag) {
            synchronized (channel) {
                try {
                    channel.basicAck(tag, false);
                } catch (IOException | AlreadyClosedException e) {
                    LOG.warn("{}: a message was not confirmed and may come again: {}", name, e.getMessage());
                }
            }
        }

        @Override
        protected void close() {
            if (connection != null)
                connection.abort(5000);
        }
    }
}
