import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.TimeWindows;

/**
 * Average, count and highest temperature of each sensor in each minute: JSON readings of one topic become JSON averages in another. What
 * is no reading goes to the topic dead-letters as it came. The platform is found by its KAFKA_ variables.
 *
 * Arguments: the topic of readings, the topic of averages, and after how many seconds without a reading to end (0: never).
 */
public final class SensorAverages {
    private static final ObjectMapper JSON = new ObjectMapper();

    private SensorAverages() {}

    record Summary(long count, double sum, double max) {
        static Summary of(String text) {
            String[] p = text.split(" ");
            return new Summary(Long.parseLong(p[0]), Double.parseDouble(p[1]), Double.parseDouble(p[2]));
        }

        String add(double value) {
            return (count + 1) + " " + (sum + value) + " " + Math.max(max, value);
        }
    }

    static Properties settings() throws IOException {
        Map<String, String> e = System.getenv();
        Properties p = new Properties();
        p.put("application.id", e.getOrDefault("STREAMS_APPLICATION", "sensor-averages"));
        p.put("bootstrap.servers", e.get("KAFKA_BOOTSTRAP_SERVERS"));
        p.put("security.protocol", e.get("KAFKA_SECURITY_PROTOCOL"));
        p.put("sasl.mechanism", e.get("KAFKA_SASL_MECHANISM"));
        p.put("sasl.jaas.config", "org.apache.kafka.common.security.scram.ScramLoginModule required username=\""
                + e.get("KAFKA_SASL_USERNAME") + "\" password=\"" + e.get("KAFKA_SASL_PASSWORD") + "\";");
        p.put("default.key.serde", Serdes.String().getClass());
        p.put("default.value.serde", Serdes.String().getClass());
        p.put("processing.guarantee", "exactly_once_v2"); // a crash counts no reading twice
        p.put("auto.offset.reset", "earliest");
        p.put("commit.interval.ms", "1000");
        p.put("state.dir", Files.createTempDirectory("streams").toString()); // kept in Kafka, too
        return p;
    }

    static JsonNode reading(String text) {
        try {
            JsonNode n = JSON.readTree(text);
            Instant.parse(n.path("time").asText());
            return n.path("sensor").isTextual() && n.path("temperature_c").isNumber() ? n : null;
        } catch (IOException | DateTimeParseException e) {
            return null;
        }
    }

    /** When it was measured, not when it came. */
    static long time(ConsumerRecord<Object, Object> record, long partitionTime) {
        JsonNode n = record.value() == null ? null : reading(record.value().toString());
        return n == null ? record.timestamp() : Instant.parse(n.get("time").textValue()).toEpochMilli();
    }

    static Topology topology(String readings, String averages, AtomicLong last) {
        StreamsBuilder b = new StreamsBuilder();
        Map<String, KStream<String, String>> parts = b.stream(readings,
                        Consumed.with(Serdes.String(), Serdes.String()).withTimestampExtractor(SensorAverages::time))
                .peek((k, v) -> last.set(System.nanoTime()))
                .split(Named.as("is-"))
                .branch((k, v) -> v != null && reading(v) != null, Branched.as("good"))
                .defaultBranch(Branched.as("bad"));
        parts.get("is-bad").to("dead-letters");
        parts.get("is-good")
                .selectKey((k, v) -> reading(v).get("sensor").textValue())
                .groupByKey()
                .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofDays(1)))
                .aggregate(() -> "0 0 " + -Double.MAX_VALUE, (sensor, v, sum) -> Summary.of(sum).add(reading(v).get("temperature_c").doubleValue()),
                        Materialized.with(Serdes.String(), Serdes.String()))
                .toStream()
                .map((w, text) -> {
                    Summary s = Summary.of(text);
                    String value = JSON.createObjectNode().put("sensor", w.key())
                            .put("minute", Instant.ofEpochMilli(w.window().start()).toString())
                            .put("count", s.count).put("average", s.sum / s.count).put("max", s.max).toString();
                    return org.apache.kafka.streams.KeyValue.pair(w.key() + "@" + w.window().start(), value);
                })
                .to(averages);
        return b.build();
    }

    public static void main(String[] args) throws Exception {
        String readings = args.length > 0 ? args[0] : "sensor-readings", averages = args.length > 1 ? args[1] : "sensor-averages";
        long idle = args.length > 2 ? Long.parseLong(args[2]) : 0;
        Properties p = settings();
        try (Admin admin = Admin.create(p)) {
            for (String topic : new String[] {readings, averages, "dead-letters"})
                if (!admin.listTopics().names().get().contains(topic))
                    admin.createTopics(java.util.List.of(new NewTopic(topic, 2, (short) 1))).all().get();
        }
        AtomicLong last = new AtomicLong(System.nanoTime());
        CountDownLatch failed = new CountDownLatch(1);
        KafkaStreams streams = new KafkaStreams(topology(readings, averages, last), p);
        streams.setUncaughtExceptionHandler(e -> {
            System.err.println("the job failed: " + e);
            failed.countDown();
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        CloseOptions leave = CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP)
                .withTimeout(Duration.ofSeconds(20)); // so that the next run need not wait for this one's absence to be noticed
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(leave)));
        streams.start();
        System.out.println("from " + readings + " to " + averages + (idle > 0 ? "" : "; end with Ctrl-C"));
        while (!failed.await(500, TimeUnit.MILLISECONDS))
            if (streams.state() != KafkaStreams.State.RUNNING)
                last.set(System.nanoTime());
            else if (idle > 0 && System.nanoTime() - last.get() > TimeUnit.SECONDS.toNanos(idle))
                System.exit(0);
        System.exit(1);
    }
}
