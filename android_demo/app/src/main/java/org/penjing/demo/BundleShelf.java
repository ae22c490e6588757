package org.penjing.demo;

import android.content.Context;
import android.net.Uri;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.penjing.core.Bundle;
import org.penjing.core.BundleSource;
import org.penjing.core.FolderSource;
import org.penjing.core.InputException;
import org.penjing.core.PenjingException;

/**
 * The bundles on this device: those in the APK, those the user picked (copied into {@code files/bundles}), and those
 * that adb pushed into the app's external folder {@code bundles}.
 *
 * <p>Left out: opening them, zip files, and removing one (clear the app's data).
 */
final class BundleShelf {
    private static final String FOLDER = "bundles";
    private static final String MANIFEST = "manifest.json";

    /** Where a bundle came from. */
    enum Place { PUSHED, PICKED, BUILT_IN }

    /** A bundle that may be opened; it has not been looked into. */
    record Shelved(String name, Place place, BundleSource source) {
        /** The same for the same bundle, every time the shelf is read. */
        String key() {
            return place + "/" + name;
        }
    }

    /** A source whose messages give the bundle's name instead of a path that no user knows. */
    private record Named(String name, BundleSource source) implements BundleSource {
        @Override
        public long size(String file) throws IOException {
            return source.size(file);
        }

        @Override
        public InputStream open(String file) throws IOException {
            return source.open(file);
        }
    }

    private final Context context;

    BundleShelf(Context context) {
        this.context = context;
    }

    /** All of them: the pushed first, for who pushes one wants to see it. */
    List<Shelved> read() {
        List<Shelved> found = new ArrayList<>();
        File external = context.getExternalFilesDir(FOLDER);
        if (external != null) {
            addFolders(found, external, Place.PUSHED);
        }
        addFolders(found, picked(), Place.PICKED);
        for (String name : assets()) {
            found.add(new Shelved(name, Place.BUILT_IN, new AssetSource(context.getAssets(), name)));
        }
        return found;
    }

    private static void addFolders(List<Shelved> found, File root, Place place) {
        File[] folders = root.listFiles(folder -> folder.isDirectory() && !folder.getName().startsWith("."));
        if (folders == null) {
            return;
        }
        Arrays.sort(folders);
        for (File folder : folders) {
            found.add(new Shelved(folder.getName(), place, new Named(folder.getName(), new FolderSource(folder))));
        }
    }

    private Set<String> assets() {
        Set<String> names = new TreeSet<>();
        try {
            for (String path : context.getAssets().list(AssetSource.ROOT)) {
                names.add(path.split("/")[0]); // Android lists names, Robolectric the paths of all files
            }
        } catch (IOException none) {
            return Collections.emptySet();
        }
        return names;
    }

    private File picked() {
        return new File(context.getFilesDir(), FOLDER);
    }

    /** Copies the bundle in a picked folder and gives its key. A file is written only after its hash was checked. */
    String copy(Uri tree) throws PenjingException, IOException {
        TreeSource source = new TreeSource(context.getContentResolver(), tree);
        if (source.size(MANIFEST) < 0) {
            throw new InputException("the picked folder has no manifest.json: pick the folder of a bundle itself");
        }
        Bundle bundle = Bundle.open(source);
        refuseWhenFull(bundle);
        File unfinished = new File(picked(), ".new");
        Storage.delete(unfinished);
        try {
            write(bundle, source, unfinished);
            File target = new File(picked(), bundle.name());
            Storage.delete(target);
            Storage.rename(unfinished, target);
        } finally {
            Storage.delete(unfinished);
        }
        return new Shelved(bundle.name(), Place.PICKED, source).key();
    }

    private static void write(Bundle bundle, BundleSource source, File folder) throws PenjingException, IOException {
        Storage.makeFolder(folder);
        for (String file : bundle.manifest().files().keySet()) {
            Storage.write(new File(folder, file), bundle.verified(file));
        }
        try (InputStream manifest = source.open(MANIFEST)) {
            Storage.write(new File(folder, MANIFEST), ByteBuffer.wrap(Storage.readAll(manifest)));
        }
    }

    private void refuseWhenFull(Bundle bundle) throws InputException {
        long needed = bundle.manifest().files().values().stream().mapToLong(file -> file.bytes()).sum();
        long free = context.getFilesDir().getUsableSpace();
        if (needed > free) {
            throw new InputException(bundle.name() + " needs " + needed / 1_000_000 + " MB, but this device has "
                    + free / 1_000_000 + " MB free: free some space and try again");
        }
    }
}
