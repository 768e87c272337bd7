package datamill;

import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.connect.connector.Task;
import org.eclipse.paho.client.mqttv3.IMqttDeliveryToken;
import org.eclipse.paho.client.mqttv3.MqttCallbackExtended;
import org.eclipse.paho.client.mqttv3.MqttClient;
import org.eclipse.paho.client.mqttv3.MqttConnectOptions;
import org.eclipse.paho.client.mqttv3.MqttException;
import org.eclipse.paho.client.mqttv3.MqttMessage;
import org.eclipse.paho.client.mqttv3.persist.MemoryPersistence;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** MQTT to Kafka. The broker keeps the session: what is published while we are away comes later. */
public final class MqttSourceConnector extends Source.Connector {
    @Override
    public Class<? extends Task> taskClass() {
        return MqttTask.class;
    }

    @Override
    public ConfigDef config() {
        return definitionOf();
    }

    static ConfigDef definitionOf() {
        return Source.config()
                .define("mqtt.topics", Type.LIST, Importance.HIGH, "MQTT filters to subscribe to")
                .define("client.id", Type.STRING, "", Importance.LOW, "the session's name; the connector's unless said");
    }

    /** The session. */
    public static final class MqttTask extends Source.MessageTask implements MqttCallbackExtended {
        private static final Logger LOG = LoggerFactory.getLogger(MqttTask.class);
        private MqttClient client;

        @Override
        protected ConfigDef definition() {
            return definitionOf();
        }

        @Override
        protected void open() throws MqttException {
            String id = config.getString("client.id");
            client = new MqttClient("tcp://" + config.getString("host") + ":" + config.getInt("port"),
                    id.isEmpty() ? "connect-" + name : id, new MemoryPersistence());
            MqttConnectOptions o = new MqttConnectOptions();
            o.setCleanSession(false);
            o.setAutomaticReconnect(true);
            o.setMaxReconnectDelay(10000);
            if (!config.getString("user").isEmpty()) {
                o.setUserName(config.getString("user"));
                o.setPassword(config.getPassword("password").value().toCharArray());
            }
            client.setManualAcks(true);
            client.setCallback(this);
            client.connect(o);
        }

        @Override
        public void connectComplete(boolean again, String uri) {
            Thread t = new Thread(() -> { // subscribing waits for an answer that this thread would read
                try {
                    for (String filter : config.getList("mqtt.topics"))
                        client.subscribe(filter.trim(), 1);
                } catch (MqttException e) {
                    broken(e);
                }
            }, "subscribe-" + name);
            t.start();
        }

        @Override
        public void connectionLost(Throwable why) {
            LOG.warn("{}: the connection is lost, trying again: {}", name, why.getMessage());
        }

        @Override
        public void messageArrived(String from, MqttMessage m) throws InterruptedException {
            int id = m.getId(), qos = m.getQos();
            arrived(new Source.Message(from, m.getPayload(), () -> {
                try {
                    client.messageArrivedComplete(id, qos);
                } catch (MqttException e) {
                    LOG.warn("{}: a message was not confirmed and may come again: {}", name, e.getMessage());
                }
            }));
        }

        @Override
        public void deliveryComplete(IMqttDeliveryToken token) {}

        @Override
        protected void close() throws MqttException {
            if (client == null)
                return;
            try {
                client.disconnectForcibly(1000, 1000);
            } finally {
                client.close(true);
            }
        }
    }
}
