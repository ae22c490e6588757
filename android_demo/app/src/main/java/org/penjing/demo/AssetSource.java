package org.penjing.demo;

import android.content.res.AssetManager;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import org.penjing.core.BundleSource;

/**
 * A bundle in the APK, under {@code assets/bundles/<name>}.
 *
 * <p>Left out: folders inside a bundle, which has none.
 */
final class AssetSource implements BundleSource {
    static final String ROOT = "bundles";

    private final AssetManager assets;
    private final String name;

    AssetSource(AssetManager assets, String name) {
        this.assets = assets;
        this.name = name;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public long size(String file) throws IOException {
        try (InputStream in = open(file)) {
            return in.available(); // of an asset this is all that is left to read, compressed or not
        } catch (FileNotFoundException absent) {
            return -1;
        }
    }

    @Override
    public InputStream open(String file) throws IOException {
        return assets.open(ROOT + "/" + name + "/" + file, AssetManager.ACCESS_STREAMING);
    }
}
