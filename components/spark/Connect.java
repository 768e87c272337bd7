import java.io.FileInputStream;
import java.lang.reflect.Method;
import java.net.InetSocketAddress;
import java.security.MessageDigest;
import java.util.Enumeration;
import java.util.Properties;

import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.connect.service.SparkConnectInterceptorRegistry;
import org.apache.spark.sql.connect.service.SparkConnectService;
import org.sparkproject.connect.grpc.Metadata;
import org.sparkproject.connect.grpc.Server;
import org.sparkproject.connect.grpc.ServerCall;
import org.sparkproject.connect.grpc.ServerCallHandler;
import org.sparkproject.connect.grpc.ServerInterceptor;
import org.sparkproject.connect.grpc.Status;
import org.sparkproject.connect.grpc.netty.NettyServerBuilder;

/** Spark's own Connect server (3.5) binds every address and asks for nothing: this one binds one and asks for a token. Compiled by Janino as it starts. */
public class Connect {
	static class Token implements ServerInterceptor {
		final Metadata.Key key = Metadata.Key.of("x-spark-token", Metadata.ASCII_STRING_MARSHALLER);
		final byte[] token = System.getenv("SPARK_CONNECT_TOKEN").getBytes();

		public ServerCall.Listener interceptCall(ServerCall call, Metadata headers, ServerCallHandler next) {
			String given = (String) headers.get(key);
			if (given != null && MessageDigest.isEqual(given.getBytes(), token))
				return next.startCall(call, headers);
			call.close(Status.UNAUTHENTICATED.withDescription("the token is missing or wrong: use SPARK_REMOTE as it is"), new Metadata());
			return new ServerCall.Listener() {};
		}
	}

	static SparkConf settings(String master) throws Exception {
		SparkConf conf = new SparkConf();
		Properties defaults = new Properties();
		FileInputStream in = new FileInputStream(System.getenv("SPARK_CONF_DIR") + "/spark-defaults.conf");
		try {
			defaults.load(in);
		} finally {
			in.close();
		}
		for (Enumeration e = defaults.propertyNames(); e.hasMoreElements();) {
			String name = (String) e.nextElement();
			conf.setIfMissing(name, defaults.getProperty(name).trim());
		}
		return conf.setMaster(master).setAppName("connect");
	}

	public static void main(String[] args) throws Exception {
		SparkSession session = SparkSession.builder().config(settings(args[2])).getOrCreate();
		NettyServerBuilder builder = NettyServerBuilder.forAddress(new InetSocketAddress(args[0], Integer.parseInt(args[1])));
		builder.maxInboundMessageSize(128 * 1024 * 1024);
		builder.addService(new SparkConnectService(false));
		SparkConnectInterceptorRegistry.chainInterceptors(builder);
		builder.intercept(new Token()); /* the last one added is asked first */

		Class service = Class.forName("org.apache.spark.sql.connect.service.SparkConnectService$");
		Method pages = service.getDeclaredMethod("createListenerAndUI", new Class[] {SparkContext.class});
		pages.setAccessible(true);
		pages.invoke(service.getField("MODULE$").get(null), new Object[] {session.sparkContext()});

		Server server = builder.build().start();
		System.err.println("Connect serves at " + args[0] + ":" + args[1]);
		server.awaitTermination();
		session.stop();
	}
}
