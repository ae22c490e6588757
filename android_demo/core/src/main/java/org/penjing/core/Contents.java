package org.penjing.core;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * The whole content of one file in a direct buffer, which an engine reads where it lies.
 *
 * <p>Left out: mapping files into memory: assets have no path, and a mapped file could change after its check.
 */
final class Contents {
    private static final int CHUNK = 1 << 16;
    private static final char[] HEX = "0123456789abcdef".toCharArray();

    private Contents() {}

    /** What this process may still take. On Android direct buffers count as heap, as they do here. */
    static long freeMemory() {
        Runtime runtime = Runtime.getRuntime();
        return runtime.maxMemory() - (runtime.totalMemory() - runtime.freeMemory());
    }

    /** Reads exactly {@code bytes}; throws when there are more or fewer, or more than {@code limit}. */
    static ByteBuffer read(BundleSource source, String file, long bytes, long limit) throws BundleException {
        if (bytes > Math.min(limit, Integer.MAX_VALUE)) {
            throw tooLarge(file, bytes, limit);
        }
        try (InputStream stream = source.open(file)) {
            ByteBuffer content = ByteBuffer.allocateDirect((int) bytes);
            byte[] chunk = new byte[CHUNK];
            for (int n = stream.read(chunk); n >= 0; n = stream.read(chunk)) {
                if (n > content.remaining()) {
                    throw otherSize(source, file, bytes);
                }
                content.put(chunk, 0, n);
            }
            if (content.hasRemaining()) {
                throw otherSize(source, file, bytes);
            }
            Buffers.flip(content);
            return content;
        } catch (IOException error) {
            throw unreadable(source, file, error);
        } catch (OutOfMemoryError error) {
            throw tooLarge(file, bytes, freeMemory());
        }
    }

    /** In hexadecimal. */
    static String sha256(ByteBuffer content) {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException error) {
            throw new AssertionError("every Java has SHA-256", error);
        }
        digest.update(content.duplicate());
        StringBuilder text = new StringBuilder();
        for (byte part : digest.digest()) {
            text.append(HEX[(part >> 4) & 15]).append(HEX[part & 15]);
        }
        return text.toString();
    }

    static BundleException unreadable(BundleSource source, String file, IOException error) {
        return new BundleException(file + " of " + source.name() + " cannot be read (" + Words.oneLine(error)
                + "): copy the bundle again", error);
    }

    static BundleException tooLarge(String file, long bytes, long limit) {
        return new BundleException(file + " takes " + megabytes(bytes) + " MB, free are " + megabytes(limit)
                + " MB: close other apps, or use a smaller file (int8)");
    }

    private static BundleException otherSize(BundleSource source, String file, long bytes) {
        return new BundleException(file + " of " + source.name() + " has not the " + bytes
                + " bytes that its manifest says: copy the bundle again");
    }

    private static long megabytes(long bytes) {
        return (bytes + 999_999) / 1_000_000;
    }
}
