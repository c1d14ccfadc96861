import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.TreeMap;
import java.util.concurrent.Semaphore;

/**
 * A client of the JDK's HttpClient, which asks for HTTP/2 with Upgrade. Arguments: an address, how many requests, how many at once, and
 * kinds of requests in turn: "METHOD PATH [BYTES]". The first is made alone, so that one connection is made. Prints METHOD STATUS COUNT.
 */
public class Client {
    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build();
        int n = Integer.parseInt(args[1]);
        Semaphore free = new Semaphore(Integer.parseInt(args[2]));
        TreeMap<String, Integer> counts = new TreeMap<>();
        for (int i = 0; i < n; i++) {
            String[] words = args[3 + i % (args.length - 3)].split(" ");
            HttpRequest.BodyPublisher body = words.length < 3 ? HttpRequest.BodyPublishers.noBody()
                : HttpRequest.BodyPublishers.ofByteArray(new byte[Integer.parseInt(words[2])]);
            HttpRequest q = HttpRequest.newBuilder(URI.create("http://" + args[0] + words[1])).method(words[0], body).build();
            free.acquire();
            var answer = client.sendAsync(q, HttpResponse.BodyHandlers.discarding()).handle((r, e) -> {
                if (e != null) {
                    e.printStackTrace();
                }
                synchronized (counts) {
                    counts.merge(words[0] + " " + (e == null ? r.statusCode() : "aborted"), 1, Integer::sum);
                }
                free.release();
                return null;
            });
            if (i == 0) {
                answer.join();
            }
        }
        free.acquire(Integer.parseInt(args[2]));
        counts.forEach((key, count) -> System.out.println(key + " " + count));
    }
}
