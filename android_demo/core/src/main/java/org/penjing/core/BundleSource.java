package org.penjing.core;

import java.io.IOException;
import java.io.InputStream;

/**
 * Where the files of a bundle are: a folder, or an app's assets.
 *
 * <p>Left out: what the files mean and whether they are right, which is {@link Bundle}'s work.
 */
public interface BundleSource {
    /** What to call this bundle's place on the screen. */
    String name();

    /** The size of a file in bytes, -1 when there is none. Throws when it must not be read, as through a link. */
    long size(String file) throws IOException;

    /** The content of a file; two threads may read two files at once. */
    InputStream open(String file) throws IOException;
}
