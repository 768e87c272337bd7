import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/** Counts the words of a topic into another one; the broker and its credentials are on standard input. */
public class Counts {
    public static void main(String[] topics) throws Exception {
        Properties p = new Properties();
        p.load(System.in);
        StreamsBuilder b = new StreamsBuilder();
        b.stream(topics[0], Consumed.with(Serdes.String(), Serdes.String()))
                .groupBy((k, v) -> v, org.apache.kafka.streams.kstream.Grouped.with(Serdes.String(), Serdes.String()))
                .count()
                .toStream()
                .mapValues(n -> Long.toString(n))
                .to(topics[1], Produced.with(Serdes.String(), Serdes.String()));
        KafkaStreams streams = new KafkaStreams(b.build(), p);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
