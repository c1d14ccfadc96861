import java.io.IOException;
import java.io.OutputStream;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import org.eclipse.jetty.http2.server.HTTP2CServerConnectionFactory;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.handler.AbstractHandler;

/** Jetty. Argument: where to listen. It answers /size/N with so many bytes, /now/STATUS at once, and /read/STATUS behind the body. */
public class JettyServer {
    public static void main(String[] args) throws Exception {
        String[] address = args[0].split(":");
        Server server = new Server();
        HttpConfiguration http = new HttpConfiguration();
        ServerConnector connector = new ServerConnector(server, new HttpConnectionFactory(http), new HTTP2CServerConnectionFactory(http));
        connector.setHost(address[0]);
        connector.setPort(Integer.parseInt(address[1]));
        server.addConnector(connector);
        server.setHandler(new AbstractHandler() {
            @Override
            public void handle(String target, Request base, HttpServletRequest q, HttpServletResponse r) throws IOException {
                base.setHandled(true);
                String[] words = target.split("/");
                int n = Integer.parseInt(words[2]);
                if (words[1].equals("size")) {
                    r.setContentLength(n);
                    r.getOutputStream().write(new byte[n]);
                    return;
                }
                if (words[1].equals("read")) {
                    q.getInputStream().transferTo(OutputStream.nullOutputStream());
                }
                r.setStatus(n);
            }
        });
        server.start();
        server.join();
    }
}
