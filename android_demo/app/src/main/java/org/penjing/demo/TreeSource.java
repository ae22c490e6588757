package org.penjing.demo;

import android.content.ContentResolver;
import android.database.Cursor;
import android.net.Uri;
import android.provider.DocumentsContract;
import android.provider.DocumentsContract.Document;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.util.HashMap;
import java.util.Map;
import org.penjing.core.BundleSource;

/**
 * A bundle in a folder that the user picked, wherever its provider keeps it.
 *
 * <p>Left out: folders inside it, and watching it for changes: it is copied at once.
 */
final class TreeSource implements BundleSource {
    private static final String[] COLUMNS = {
        Document.COLUMN_DISPLAY_NAME, Document.COLUMN_DOCUMENT_ID, Document.COLUMN_SIZE
    };

    private record Entry(Uri uri, long size) {}

    private final ContentResolver resolver;
    private final Map<String, Entry> entries = new HashMap<>();

    TreeSource(ContentResolver resolver, Uri tree) throws IOException {
        this.resolver = resolver;
        Uri children = DocumentsContract.buildChildDocumentsUriUsingTree(
                tree, DocumentsContract.getTreeDocumentId(tree));
        try (Cursor rows = resolver.query(children, COLUMNS, null, null, null)) {
            while (rows != null && rows.moveToNext()) {
                Uri uri = DocumentsContract.buildDocumentUriUsingTree(tree, rows.getString(1));
                entries.put(rows.getString(0), new Entry(uri, rows.getLong(2)));
            }
        } catch (RuntimeException error) { // a provider may throw anything
            throw new IOException("the folder's provider says " + error.getMessage(), error);
        }
    }

    @Override
    public String name() {
        return "the picked folder";
    }

    @Override
    public long size(String file) {
        Entry entry = entries.get(file);
        return entry == null ? -1 : entry.size();
    }

    @Override
    public InputStream open(String file) throws IOException {
        Entry entry = entries.get(file);
        InputStream in = entry == null ? null : resolver.openInputStream(entry.uri());
        if (in == null) {
            throw new FileNotFoundException(file + " is not in the picked folder");
        }
        return in;
    }
}
