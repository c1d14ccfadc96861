import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.util.Arrays;
import java.util.TreeMap;
import java.util.concurrent.Semaphore;

/**
 * grpc-java, on Netty. Arguments: "serve" and where to listen; or "ask", an address, how many calls, how many at once, and kinds of calls
 * in turn: see calls in grpc_test.go. Its service is that of grpc_test.go, without metadata. Prints "gRPC STATUS COUNT".
 */
public class Grpc {
    /** Messages as they are: a BytesValue. */
    static final MethodDescriptor.Marshaller<byte[]> RAW = new MethodDescriptor.Marshaller<>() {
        @Override
        public InputStream stream(byte[] value) {
            return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
            try {
                return stream.readAllBytes();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    };

    static MethodDescriptor<byte[], byte[]> method(String name) {
        var type = switch (name) {
            case "Server" -> MethodDescriptor.MethodType.SERVER_STREAMING;
            case "Client" -> MethodDescriptor.MethodType.CLIENT_STREAMING;
            case "Bidi" -> MethodDescriptor.MethodType.BIDI_STREAMING;
            default -> MethodDescriptor.MethodType.UNARY;
        };
        return MethodDescriptor.newBuilder(RAW, RAW).setType(type).setFullMethodName("test.Echo/" + name).build();
    }

    /** Ends a call as its message says; true if it failed. */
    static boolean fails(byte[] message, StreamObserver<byte[]> answers) {
        String text = new String(message, java.nio.charset.StandardCharsets.ISO_8859_1);
        int at = text.indexOf("fail:");
        int code = at < 0 ? 0 : Integer.parseInt(text.substring(at + 5));
        if (code > 0) {
            answers.onError(Status.fromCodeValue(code).withDescription("nö").asRuntimeException());
        }
        return code > 0;
    }

    /** Answers what comes in: each message at once, or the last one. */
    static StreamObserver<byte[]> answering(StreamObserver<byte[]> answers, boolean each) {
        return new StreamObserver<>() {
            private byte[] last = {};
            private boolean over;

            @Override
            public void onNext(byte[] message) {
                last = message;
                if (each && !over) {
                    answers.onNext(message);
                    over = fails(message, answers);
                }
            }

            @Override
            public void onError(Throwable e) {}

            @Override
            public void onCompleted() {
                if (over || (!each && fails(last, answers))) {
                    return;
                }
                if (!each) {
                    answers.onNext(last);
                }
                answers.onCompleted();
            }
        };
    }

    static void serve(String address) throws Exception {
        var service = ServerServiceDefinition.builder("test.Echo")
            .addMethod(method("Unary"), ServerCalls.asyncUnaryCall((q, answers) -> {
                if (!fails(q, answers)) {
                    answers.onNext(q);
                    answers.onCompleted();
                }
            }))
            .addMethod(method("Server"), ServerCalls.asyncServerStreamingCall((q, answers) -> {
                for (int i = 0; i < 10; i++) {
                    answers.onNext(q);
                }
                if (!fails(q, answers)) {
                    answers.onCompleted();
                }
            }))
            .addMethod(method("Client"), ServerCalls.asyncClientStreamingCall(answers -> answering(answers, false)))
            .addMethod(method("Bidi"), ServerCalls.asyncBidiStreamingCall(answers -> answering(answers, true)))
            .build();
        String[] words = address.split(":");
        NettyServerBuilder.forAddress(new InetSocketAddress(words[0], Integer.parseInt(words[1]))).addService(service).build().start().awaitTermination();
    }

    static void ask(String[] args) throws Exception {
        String[] address = args[1].split(":");
        ManagedChannel channel = NettyChannelBuilder.forAddress(new InetSocketAddress(address[0], Integer.parseInt(address[1]))).usePlaintext().build();
        int n = Integer.parseInt(args[2]);
        Semaphore free = new Semaphore(Integer.parseInt(args[3]));
        TreeMap<String, Integer> counts = new TreeMap<>();
        for (int i = 0; i < n; i++) {
            String[] words = args[4 + i % (args.length - 4)].split(" ");
            var method = method(words[0]);
            byte[] message = message(words[1]);
            free.acquire();
            StreamObserver<byte[]> seen = new StreamObserver<>() {
                @Override
                public void onNext(byte[] value) {}

                @Override
                public void onError(Throwable e) {
                    over(Status.fromThrowable(e));
                }

                @Override
                public void onCompleted() {
                    over(Status.OK);
                }

                private void over(Status status) {
                    synchronized (counts) {
                        counts.merge(status.getCode().name(), 1, Integer::sum);
                    }
                    free.release();
                }
            };
            var call = channel.newCall(method, CallOptions.DEFAULT);
            switch (method.getType()) {
                case UNARY -> ClientCalls.asyncUnaryCall(call, message, seen);
                case SERVER_STREAMING -> ClientCalls.asyncServerStreamingCall(call, message, seen);
                default -> {
                    var asked = method.getType() == MethodDescriptor.MethodType.CLIENT_STREAMING
                        ? ClientCalls.asyncClientStreamingCall(call, seen) : ClientCalls.asyncBidiStreamingCall(call, seen);
                    for (int k = 0; k < 5; k++) {
                        asked.onNext(message);
                    }
                    asked.onCompleted();
                }
            }
        }
        free.acquire(Integer.parseInt(args[3]));
        counts.forEach((status, count) -> System.out.println("gRPC " + status + " " + count));
        channel.shutdownNow();
    }

    /** The message that a text asks for. */
    static byte[] message(String text) {
        byte[] value = text.matches("x[0-9]+") ? new byte[Integer.parseInt(text.substring(1))] : text.getBytes();
        byte[] out = new byte[value.length + 6];
        int at = 0;
        out[at++] = 10;
        int length = value.length;
        for (; length > 127; length >>= 7) {
            out[at++] = (byte) (length & 127 | 128);
        }
        out[at++] = (byte) length;
        System.arraycopy(value, 0, out, at, value.length);
        return Arrays.copyOf(out, at + value.length);
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("serve")) {
            serve(args[1]);
        } else {
            ask(args);
        }
    }
}
