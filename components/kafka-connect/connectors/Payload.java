package datamill;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;

/** Makes a payload a value with a schema, or says why it cannot be one. */
final class Payload {
    static final class Bad extends Exception {
        private static final long serialVersionUID = 1;

        Bad(String why) {
            super(why);
        }
    }

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Map<String, Schema.Type> TYPES = new LinkedHashMap<>();

    static {
        TYPES.put("string", Schema.Type.STRING);
        TYPES.put("int", Schema.Type.INT32);
        TYPES.put("long", Schema.Type.INT64);
        TYPES.put("double", Schema.Type.FLOAT64);
        TYPES.put("boolean", Schema.Type.BOOLEAN);
    }

    private final Schema schema; // null: the payload as text
    private final String key, source;

    Payload(AbstractConfig config, String topic) {
        key = config.getString("key.field");
        source = config.getString("source.field");
        String name = config.getString("schema.name");
        if (name.isEmpty())
            name = topic.replaceAll("[^A-Za-z0-9_]", "_");
        SchemaBuilder b = SchemaBuilder.struct().name(name);
        int n = 0;
        for (String f : config.getList("fields")) {
            String[] part = f.trim().split(":");
            boolean optional = part.length == 2 && part[1].endsWith("?");
            Schema.Type type = part.length == 2 ? TYPES.get(optional ? part[1].substring(0, part[1].length() - 1) : part[1]) : null;
            if (type == null)
                throw new ConfigException("fields", f, "a field is name:type, with one of " + TYPES.keySet());
            SchemaBuilder t = new SchemaBuilder(type);
            b.field(part[0], optional ? t.optional().defaultValue(null).build() : t.build());
            n++;
        }
        if (n > 0 && !source.isEmpty())
            b.field(source, Schema.STRING_SCHEMA);
        schema = n > 0 ? b.build() : null;
        if (!key.isEmpty() && (schema == null || schema.field(key) == null))
            throw new ConfigException("key.field", key, "it is none of the fields");
    }

    SchemaAndValue read(String from, byte[] payload) throws Bad {
        if (schema == null)
            return new SchemaAndValue(Schema.STRING_SCHEMA, Source.text(payload));
        JsonNode node;
        try {
            node = JSON.readTree(payload);
        } catch (IOException e) {
            throw new Bad("not JSON");
        }
        if (node == null || !node.isObject())
            throw new Bad("not a JSON object");
        Struct value = new Struct(schema);
        for (Field f : schema.fields())
            value.put(f, f.name().equals(source) ? from : field(f, node.get(f.name())));
        return new SchemaAndValue(schema, value);
    }

    private static Object field(Field f, JsonNode v) throws Bad {
        if (v == null || v.isNull()) {
            if (!f.schema().isOptional())
                throw new Bad("no " + f.name());
            return null;
        }
        switch (f.schema().type()) {
            case STRING:
                if (v.isTextual())
                    return v.textValue();
                break;
            case BOOLEAN:
                if (v.isBoolean())
                    return v.booleanValue();
                break;
            case INT32:
                if (v.isIntegralNumber() && v.canConvertToInt())
                    return v.intValue();
                break;
            case INT64:
                if (v.isIntegralNumber() && v.canConvertToLong())
                    return v.longValue();
                break;
            default:
                if (v.isNumber())
                    return v.doubleValue();
        }
        throw new Bad(f.name() + " is no " + f.schema().type().getName());
    }

    String key(String from, SchemaAndValue v) {
        Object k = key.isEmpty() ? from : ((Struct) v.value()).get(key);
        return k == null ? from : k.toString();
    }
}
