import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.coyote.http2.Http2Protocol;

/**
 * Tomcat. Arguments: a folder of its own, and where to listen. It answers /size/N with so many bytes, /now/STATUS at once, and /read/STATUS
 * behind the body.
 */
public class TomcatServer {
    public static void main(String[] args) throws Exception {
        String[] address = args[1].split(":");
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(args[0]);
        Connector connector = new Connector("HTTP/1.1");
        connector.setProperty("address", address[0]);
        connector.setPort(Integer.parseInt(address[1]));
        Http2Protocol http2 = new Http2Protocol();
        http2.setMaxConcurrentStreams(200);
        http2.setOverheadCountFactor(0); // it would end connections that have many small frames
        http2.setOverheadDataThreshold(0);
        http2.setOverheadWindowUpdateThreshold(0);
        connector.addUpgradeProtocol(http2);
        tomcat.setConnector(connector);
        var context = tomcat.addContext("", null);
        Tomcat.addServlet(context, "all", new HttpServlet() {
            @Override
            protected void service(HttpServletRequest q, HttpServletResponse r) throws IOException {
                String[] words = q.getRequestURI().split("/");
                int n = Integer.parseInt(words[2]);
                if (words[1].equals("size")) {
                    r.setContentLength(n);
                    if (!q.getMethod().equals("HEAD")) {
                        r.getOutputStream().write(new byte[n]);
                    }
                    return;
                }
                if (words[1].equals("read")) {
                    q.getInputStream().transferTo(java.io.OutputStream.nullOutputStream());
                }
                r.setStatus(n);
            }
        });
        context.addServletMappingDecoded("/", "all");
        tomcat.start();
        tomcat.getServer().await();
    }
}
