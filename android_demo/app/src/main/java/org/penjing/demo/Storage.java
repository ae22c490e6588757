package org.penjing.demo;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/**
 * Files written whole or not at all, with what API 24 has.
 *
 * <p>Left out: java.nio.file, which Android has from API 26 on.
 */
final class Storage {
    private Storage() {}

    /** Writes to a neighbour, then renames it: nobody ever sees half a file. */
    static void write(File file, ByteBuffer content) throws IOException {
        File unfinished = new File(file.getPath() + ".part");
        try {
            try (FileOutputStream out = new FileOutputStream(unfinished)) {
                FileChannel channel = out.getChannel();
                while (content.hasRemaining()) {
                    channel.write(content);
                }
                out.getFD().sync();
            }
            rename(unfinished, file);
        } finally {
            delete(unfinished);
        }
    }

    static byte[] readAll(InputStream in) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] part = new byte[1 << 16];
        for (int n = in.read(part); n >= 0; n = in.read(part)) {
            out.write(part, 0, n);
        }
        return out.toByteArray();
    }

    static void makeFolder(File folder) throws IOException {
        if (!folder.isDirectory() && !folder.mkdirs()) {
            throw new IOException("cannot make the folder " + folder.getName());
        }
    }

    static void rename(File from, File to) throws IOException {
        if (!from.renameTo(to)) {
            throw new IOException("cannot rename " + from.getName() + " to " + to.getName());
        }
    }

    /** A file or a whole folder; what is not there counts as deleted. */
    static void delete(File file) {
        File[] inside = file.listFiles();
        if (inside != null) {
            for (File each : inside) {
                delete(each);
            }
        }
        file.delete();
    }
}
