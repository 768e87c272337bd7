package datamill;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.source.SourceConnector;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.source.SourceTask;

/**
 * What the MQTT and the AMQP source share: a message is confirmed to its broker only after Kafka has its record, or the
 * dead-letter topic has what could not become one. So each message arrives at least once.
 */
final class Source {
    private Source() {}

    static final String VERSION = "1";

    static ConfigDef config() {
        return new ConfigDef()
                .define("topic", Type.STRING, Importance.HIGH, "the Kafka topic to write to")
                .define("host", Type.STRING, Importance.HIGH, "the broker's host")
                .define("port", Type.INT, Importance.HIGH, "the broker's port")
                .define("user", Type.STRING, "", Importance.HIGH, "the broker's user")
                .define("password", Type.PASSWORD, "", Importance.HIGH, "the user's password")
                .define("fields", Type.LIST, "", Importance.MEDIUM,
                        "the JSON payload's fields, name:type; types: string, int, long, double, boolean; ? behind: may be missing. None: the payload as text")
                .define("schema.name", Type.STRING, "", Importance.LOW, "the record's name in its schema; the topic's unless said")
                .define("key.field", Type.STRING, "", Importance.LOW, "the field that is the record's key; the source's topic unless said")
                .define("source.field", Type.STRING, "", Importance.LOW, "a field to put the source's topic into")
                .define("dead.letter.topic", Type.STRING, "", Importance.MEDIUM, "where what does not fit the fields goes; none: the task fails");
    }

    /** A message of the broker, and how to tell it that we have it. */
    record Message(String from, byte[] payload, Runnable done) {}

    /** A record that knows its message. */
    static final class Taken extends SourceRecord {
        final Runnable done;

        Taken(Message m, String topic, String key, SchemaAndValue v) {
            super(Map.of("from", "broker"), Map.of("n", 0L), topic, null, Schema.STRING_SCHEMA, key, v.schema(), v.value(),
                    System.currentTimeMillis());
            this.done = m.done;
        }
    }

    abstract static class Connector extends SourceConnector {
        private Map<String, String> properties;

        @Override
        public void start(Map<String, String> given) {
            properties = given;
        }

        @Override
        public List<Map<String, String>> taskConfigs(int most) {
            return List.of(properties); // one session with the broker
        }

        @Override
        public void stop() {}

        @Override
        public String version() {
            return VERSION;
        }

        @Override
        public abstract Class<? extends Task> taskClass();
    }

    abstract static class MessageTask extends SourceTask {
        private final BlockingQueue<Message> arrived = new ArrayBlockingQueue<>(2000);
        private volatile Exception broken;
        private Payload payload;
        private DeadLetters dead;
        private String topic;
        protected AbstractConfig config;
        protected String name;

        protected abstract ConfigDef definition();

        protected abstract void open() throws Exception;

        protected abstract void close() throws Exception;

        @Override
        public String version() {
            return VERSION;
        }

        @Override
        public void start(Map<String, String> given) {
            config = new AbstractConfig(definition(), given, false);
            name = given.get("name");
            topic = config.getString("topic");
            payload = new Payload(config, topic);
            dead = new DeadLetters(name, config.getString("dead.letter.topic"));
            try {
                open();
            } catch (Exception e) {
                stop();
                throw new ConnectException("no session with the broker: " + e.getMessage(), e);
            }
        }

        /** From the broker's thread: waits where Kafka is slower, so that the broker keeps what is left. */
        protected void arrived(Message m) throws InterruptedException {
            arrived.put(m);
        }

        protected void broken(Exception e) {
            broken = e;
        }

        @Override
        public List<SourceRecord> poll() throws InterruptedException {
            if (broken != null)
                throw new ConnectException("the session with the broker ended: " + broken.getMessage(), broken);
            Message first = arrived.poll(500, TimeUnit.MILLISECONDS);
            if (first == null)
                return null;
            List<Message> some = new ArrayList<>();
            some.add(first);
            arrived.drainTo(some, 499);
            List<SourceRecord> records = new ArrayList<>();
            for (Message m : some) {
                try {
                    SchemaAndValue value = payload.read(m.from, m.payload);
                    records.add(new Taken(m, topic, payload.key(m.from, value), value));
                } catch (Payload.Bad e) {
                    dead.send(m, e.getMessage());
                }
            }
            return records;
        }

        @Override
        public void commitRecord(SourceRecord record, RecordMetadata metadata) {
            if (record instanceof Taken t)
                t.done.run();
        }

        @Override
        public void stop() {
            try {
                close();
            } catch (Exception e) {
                broken = e;
            }
            if (dead != null)
                dead.close();
        }
    }

    static String text(byte[] b) {
        return new String(b, StandardCharsets.UTF_8);
    }
}
