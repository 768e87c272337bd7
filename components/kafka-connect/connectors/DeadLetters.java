package datamill;

import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import javax.management.ObjectName;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.connect.errors.ConnectException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Payloads that could not become records go to a topic of their own as they came, the reason in a header, as Connect does
 * for sinks (for sources it does not). The broker is found by the worker's own KAFKA_ variables.
 */
public final class DeadLetters {
    /** How many there were: datamill:type=dead-letters,name=CONNECTOR. */
    public interface CountMBean {
        long getCount();
    }

    private static final Logger LOG = LoggerFactory.getLogger(DeadLetters.class);
    private final AtomicLong count = new AtomicLong();
    private final String connector, topic;
    private ObjectName bean;
    private KafkaProducer<String, byte[]> producer;

    DeadLetters(String connector, String topic) {
        this.connector = connector;
        this.topic = topic;
        try {
            bean = new ObjectName("datamill:type=dead-letters,name=" + connector.replaceAll("[^\\w.-]", "_"));
            var server = ManagementFactory.getPlatformMBeanServer();
            if (server.isRegistered(bean))
                server.unregisterMBean(bean);
            server.registerMBean(new javax.management.StandardMBean((CountMBean) count::get, CountMBean.class), bean);
        } catch (javax.management.JMException e) {
            throw new ConnectException(e);
        }
    }

    void send(Source.Message m, String why) {
        if (topic.isEmpty())
            throw new ConnectException(m.from() + ": " + why + ", and there is no dead.letter.topic");
        if (producer == null)
            producer = new KafkaProducer<>(settings(), new StringSerializer(), new ByteArraySerializer());
        ProducerRecord<String, byte[]> record = new ProducerRecord<>(topic, m.from(), m.payload());
        record.headers().add("error", why.getBytes(StandardCharsets.UTF_8));
        record.headers().add("connector", connector.getBytes(StandardCharsets.UTF_8));
        count.incrementAndGet();
        producer.send(record, (at, error) -> {
            if (error == null)
                m.done().run(); // else the broker gives us the message again
            else
                LOG.warn("{}: a dead letter was not written: {}", connector, error.getMessage());
        });
    }

    private static Properties settings() {
        Properties p = new Properties();
        p.put("bootstrap.servers", System.getenv("KAFKA_BOOTSTRAP_SERVERS"));
        p.put("security.protocol", System.getenv("KAFKA_SECURITY_PROTOCOL"));
        p.put("sasl.mechanism", System.getenv("KAFKA_SASL_MECHANISM"));
        p.put("sasl.jaas.config", "org.apache.kafka.common.security.scram.ScramLoginModule required username=\""
                + System.getenv("KAFKA_SASL_USERNAME") + "\" password=\"" + System.getenv("KAFKA_SASL_PASSWORD") + "\";");
        return p;
    }

    void close() {
        if (producer != null)
            producer.close(java.time.Duration.ofSeconds(5));
        try {
            var server = ManagementFactory.getPlatformMBeanServer();
            if (server.isRegistered(bean))
                server.unregisterMBean(bean);
        } catch (javax.management.JMException e) {
            LOG.warn("{}", e.getMessage());
        }
    }
}
