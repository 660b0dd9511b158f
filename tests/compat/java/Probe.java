/*
 * Kafka's own clients for Java, asked for each capability. `probe BOOTSTRAP`
 * takes a capability a line and answers each with a line; `member BOOTSTRAP
 * TOPIC CLIENT_ID PROPERTY=VALUE...` joins the group that is named like the topic and prints a
 * line a record until SIGTERM. Owns its calls and nothing else; it must never
 * work around what kf does differently from Kafka.
 */

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Probe {
    private static final int COUNT = number("COUNT");
    private static final long SOUGHT_MS = Long.parseLong(System.getenv("SOUGHT_MS"));
    private static final int SOUGHT_OFFSET = number("SOUGHT_OFFSET");
    private static final int COMMITTED_OFFSET = number("COMMITTED_OFFSET");
    private static final int TOO_LARGE = number("TOO_LARGE");
    private static final int BEYOND_OFFSET = number("BEYOND_OFFSET");
    private static final Map<String, String> ASSIGNORS = Map.of(
            "roundrobin", RoundRobinAssignor.class.getName(),
            "cooperative-sticky", CooperativeStickyAssignor.class.getName());
    private static final Duration POLL = Duration.ofMillis(100);
    private static final int POLLS = 200;

    private final String bootstrap;

    private Probe(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] args) throws Exception {
        Probe probe = new Probe(args[1]);
        if (args[0].equals("member")) {
            probe.member(List.of(args).subList(2, args.length));
            return;
        }
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            System.out.println(probe.answer(line));
        }
    }

    private String answer(String capability) {
        try {
            probe(capability);
            return "yes";
        } catch (Exception | AssertionError error) {
            return ("fail " + error).replace('\n', ' ');
        }
    }

    private void probe(String capability) throws Exception {
        switch (capability) {
            case "connect" -> connect();
            case "create a topic" -> createTopic();
            case "change a topic" -> changeTopic();
            case "delete a topic" -> deleteTopic();
            case "produce idempotently" -> send("write-idempotent", Map.of("enable.idempotence", true));
            case "seek by time" -> seekByTime();
            case "commit and resume" -> commit();
            case "list, describe and delete groups" -> groups();
            case "commit a transaction" -> transact("write-committed", true);
            case "abort a transaction" -> transact("write-aborted", false, true);
            case "commit offsets in a transaction" -> commitInTransaction();
            case "read committed records only" -> readCommitted();
            case "delete records" -> deleteRecords();
            case "fail on an unknown topic" -> unknownTopic();
            case "fail on a message too large" -> tooLarge();
            case "start over when the offset is out of range" -> startOver();
            default -> {
                String[] words = capability.split(" ");
                if (words[0].equals("produce")) {
                    Map<String, Object> config = Map.of("enable.idempotence", false, "compression.type", words[1]);
                    send("write-" + words[1], config);
                } else {
                    consume(words[1]);
                }
            }
        }
    }

    private static int number(String variable) {
        return Integer.parseInt(System.getenv(variable));
    }

    private static void expect(Object actual, Object wanted) {
        if (!Objects.equals(actual, wanted)) {
            throw new AssertionError(actual + " instead of " + wanted);
        }
    }

    private Properties properties(Map<String, Object> config) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.putAll(config);
        return properties;
    }

    private Admin newAdmin() {
        return Admin.create(properties(Map.of()));
    }

    private KafkaConsumer<String, String> newConsumer(Map<String, Object> config) {
        Properties properties = properties(Map.of(
                "auto.offset.reset", "earliest",
                "enable.auto.commit", false));
        properties.putAll(config);
        return new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
    }

    private KafkaProducer<String, String> newProducer(Map<String, Object> config) {
        return new KafkaProducer<>(properties(config), new StringSerializer(), new StringSerializer());
    }

    /** Reads until {@code count} records are there. */
    private static List<ConsumerRecord<String, String>> read(KafkaConsumer<String, String> consumer, int count) {
        List<ConsumerRecord<String, String>> seen = new ArrayList<>();
        for (int i = 0; i < POLLS; i++) {
            consumer.poll(POLL).forEach(seen::add);
            if (seen.size() >= count) {
                return seen;
            }
        }
        throw new AssertionError(seen.size() + " records instead of " + count);
    }

    /** Waits for what must fail; gives the error. */
    private static Throwable errorOf(Future<?> future) throws Exception {
        try {
            future.get(20, TimeUnit.SECONDS);
        } catch (ExecutionException error) {
            return error.getCause();
        }
        throw new AssertionError("it did not fail");
    }

    private void connect() throws Exception {
        try (Admin admin = newAdmin()) {
            expect(admin.describeCluster().nodes().get().size(), 1);
        }
    }

    private void createTopic() throws Exception {
        List<NewTopic> made = List.of(new NewTopic("made", 3, (short) 1).configs(Map.of("retention.ms", "7200000")));
        try (Admin admin = newAdmin()) {
            admin.createTopics(made).all().get();
            expect(errorOf(admin.createTopics(made).all()).getClass(), TopicExistsException.class);
            int partitions = admin.describeTopics(List.of("made")).allTopicNames().get().get("made").partitions().size();
            expect(partitions, 3);
        }
    }

    private void changeTopic() throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "changing");
        ConfigEntry retention = new ConfigEntry("retention.ms", "3600000");
        AlterConfigOp change = new AlterConfigOp(retention, AlterConfigOp.OpType.SET);
        try (Admin admin = newAdmin()) {
            admin.createPartitions(Map.of("changing", NewPartitions.increaseTo(2))).all().get();
            admin.incrementalAlterConfigs(Map.of(topic, List.of(change))).all().get();
            Config described = admin.describeConfigs(List.of(topic)).all().get().get(topic);
            expect(described.get("retention.ms").value(), "3600000");
        }
    }

    private void deleteTopic() throws Exception {
        try (Admin admin = newAdmin()) {
            admin.deleteTopics(List.of("unwanted")).all().get();
        }
    }

    private void groups() throws Exception {
        List<String> ids = List.of("committing");
        try (Admin admin = newAdmin()) {
            long listed = admin.listGroups().all().get().stream()
                    .filter(group -> ids.contains(group.groupId()))
                    .count();
            expect(listed, 1L);
            var described = admin.describeConsumerGroups(ids).all().get().get(ids.get(0));
            expect(described.groupState(), GroupState.EMPTY);
            admin.deleteConsumerGroups(ids).all().get();
        }
    }

    private void deleteRecords() throws Exception {
        TopicPartition at = new TopicPartition("shrinking", 0);
        try (Admin admin = newAdmin()) {
            var deleted = admin.deleteRecords(Map.of(at, RecordsToDelete.beforeOffset(SOUGHT_OFFSET)));
            expect(deleted.lowWatermarks().get(at).get().lowWatermark(), (long) SOUGHT_OFFSET);
        }
    }

    private void send(String topic, Map<String, Object> config) throws Exception {
        Properties properties = properties(config);
        properties.put("linger.ms", 5000);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < COUNT; i++) {
                ProducerRecord<String, String> record = new ProducerRecord<>(topic, 0, "k" + i, "value " + i);
                record.headers().add("h", "v".getBytes(StandardCharsets.UTF_8));
                sent.add(producer.send(record));
            }
        }
        for (int i = 0; i < COUNT; i++) {
            expect(sent.get(i).get().offset(), (long) i);
        }
    }

    private KafkaProducer<String, String> newTransactional(String name) {
        var producer = newProducer(Map.of("transactional.id", name));
        producer.initTransactions();
        return producer;
    }

    /** Sends all, once per transaction, and ends each as told. */
    private void transact(String topic, boolean... commits) {
        try (var producer = newTransactional(topic)) {
            for (boolean isCommit : commits) {
                producer.beginTransaction();
                for (int i = 0; i < COUNT; i++) {
                    ProducerRecord<String, String> record = new ProducerRecord<>(topic, 0, "k" + i, "value " + i);
                    record.headers().add("h", "v".getBytes(StandardCharsets.UTF_8));
                    producer.send(record);
                }
                producer.flush();
                if (isCommit) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
    }

    private void commitInTransaction() {
        TopicPartition at = new TopicPartition("read-none", 0);
        try (var consumer = newConsumer(Map.of("group.id", "transacting"));
                var producer = newTransactional("transacting")) {
            consumer.subscribe(List.of(at.topic()));
            read(consumer, COMMITTED_OFFSET);
            producer.beginTransaction();
            var offsets = Map.of(at, new OffsetAndMetadata(COMMITTED_OFFSET));
            producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
            producer.commitTransaction();
        }
    }

    private void readCommitted() {
        TopicPartition at = new TopicPartition("settled", 0);
        try (var consumer = newConsumer(Map.of("isolation.level", "read_committed"))) {
            consumer.assign(List.of(at));
            consumer.seekToBeginning(List.of(at));
            List<ConsumerRecord<String, String>> seen = read(consumer, COUNT);
            expect(seen.size(), COUNT);
            // Behind the aborted ones and their marker.
            for (int i = 0; i < COUNT; i++) {
                expect(seen.get(i).offset(), COUNT + 1L + i);
            }
        }
    }

    private void consume(String codec) {
        try (var consumer = newConsumer(Map.of("group.id", "consuming-" + codec))) {
            consumer.subscribe(List.of("read-" + codec));
            List<ConsumerRecord<String, String>> seen = read(consumer, COUNT);
            expect(seen.size(), COUNT);
            for (int i = 0; i < COUNT; i++) {
                ConsumerRecord<String, String> record = seen.get(i);
                Header header = record.headers().lastHeader("h");
                expect(record.key(), "k" + i);
                expect(record.value(), "value " + i);
                expect(new String(header.value(), StandardCharsets.UTF_8), "v");
            }
        }
    }

    private void seekByTime() {
        TopicPartition at = new TopicPartition("times", 0);
        try (var consumer = newConsumer(Map.of())) {
            consumer.assign(List.of(at));
            long found = consumer.offsetsForTimes(Map.of(at, SOUGHT_MS)).get(at).offset();
            expect(found, (long) SOUGHT_OFFSET);
            consumer.seek(at, found);
            expect(read(consumer, 1).get(0).value(), "value " + SOUGHT_OFFSET);
        }
    }

    private void commit() {
        TopicPartition at = new TopicPartition("read-none", 0);
        Map<String, Object> config = Map.of("group.id", "committing");
        try (var first = newConsumer(config)) {
            first.subscribe(List.of(at.topic()));
            read(first, COMMITTED_OFFSET);
            first.commitSync(Map.of(at, new OffsetAndMetadata(COMMITTED_OFFSET)));
        }
        try (var second = newConsumer(config)) {
            second.subscribe(List.of(at.topic()));
            expect(read(second, 1).get(0).offset(), (long) COMMITTED_OFFSET);
        }
    }

    /** Its producer waits for the topic to appear; its admin client says. */
    private void unknownTopic() throws Exception {
        try (Admin admin = newAdmin()) {
            Throwable error = errorOf(admin.describeTopics(List.of("nowhere")).allTopicNames());
            expect(error.getClass(), UnknownTopicOrPartitionException.class);
        }
    }

    private void tooLarge() throws Exception {
        try (var producer = newProducer(Map.of())) {
            Throwable error = errorOf(producer.send(new ProducerRecord<>("narrow", "x".repeat(TOO_LARGE))));
            expect(error.getClass(), RecordTooLargeException.class);
        }
    }

    private void startOver() {
        TopicPartition at = new TopicPartition("read-none", 0);
        try (var consumer = newConsumer(Map.of())) {
            consumer.assign(List.of(at));
            consumer.seek(at, BEYOND_OFFSET);
            expect(read(consumer, 1).get(0).offset(), 0L);
        }
    }

    private void member(List<String> args) throws InterruptedException {
        String topic = args.get(0);
        Map<String, Object> config = new HashMap<>(Map.of("group.id", topic, "client.id", args.get(1)));
        for (String property : args.subList(2, args.size())) {
            String[] pair = property.split("=");
            config.put(pair[0], ASSIGNORS.getOrDefault(pair[1], pair[1]));
        }
        var consumer = newConsumer(config);
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup();
            try {
                main.join();
                // By itself Java would end with the signal's number.
                Runtime.getRuntime().halt(0);
            } catch (InterruptedException error) {
                main.interrupt();
            }
        }));
        consumer.subscribe(List.of(topic));
        try (consumer) {
            for (;;) {
                for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                    System.out.println(record.partition() + " " + record.offset());
                }
            }
        } catch (WakeupException asked) {
            System.out.flush();
        }
    }
}
