package org.penjing.core;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;

/**
 * A bundle in a folder, as {@code penjing run} writes it. A link inside is refused: it may lead outside.
 *
 * <p>Left out: assets and zip files, which are the app's. Links are told by their real path, because API 24 has no
 * {@code java.nio.file}.
 */
public final class FolderSource implements BundleSource {
    private final File folder;

    public FolderSource(File folder) {
        this.folder = folder;
    }

    @Override
    public String name() {
        return folder.getPath();
    }

    @Override
    public long size(String file) throws IOException {
        File found = place(file);
        return found.isFile() ? found.length() : -1;
    }

    @Override
    public InputStream open(String file) throws IOException {
        return new FileInputStream(place(file));
    }

    private File place(String file) throws IOException {
        // The folder itself may be reached through a link: what is above it is the user's choice.
        File found = new File(folder.getCanonicalFile(), file);
        if (!found.getCanonicalPath().equals(found.getPath())) {
            throw new IOException("it is a link, which may lead outside the bundle");
        }
        return found;
    }
}
