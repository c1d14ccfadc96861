import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

/** The JDK's own server: answers /now/STATUS at once, and /read/STATUS when it has read the body. Argument: where to listen. */
public class Server {
    public static void main(String[] args) throws Exception {
        var address = args[0].split(":");
        var server = HttpServer.create(new InetSocketAddress(address[0], Integer.parseInt(address[1])), 0);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/", exchange -> {
            var path = exchange.getRequestURI().getPath().split("/");
            if (path[1].equals("read")) {
                exchange.getRequestBody().readAllBytes();
            }
            var status = Integer.parseInt(path[2]);
            var body = "ok".getBytes();
            exchange.sendResponseHeaders(status, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
