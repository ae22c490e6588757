package org.penjing.demo;

import android.content.ContentProvider;
import android.content.ContentValues;
import android.database.Cursor;
import android.database.MatrixCursor;
import android.net.Uri;
import android.os.ParcelFileDescriptor;
import android.provider.DocumentsContract;
import android.provider.DocumentsContract.Document;
import java.io.File;
import java.io.FileNotFoundException;
import org.robolectric.Robolectric;

/**
 * What a file manager gives for a picked folder; a file named huge.bin says that it is.
 *
 * <p>Left out: everything that the app does not ask for.
 */
public final class FolderProvider extends ContentProvider {
    static final long HUGE = 1L << 60;
    private static final String AUTHORITY = "org.penjing.test.documents";
    private static File folder;

    /** The Uri of the folder, as a picker would return it. */
    static Uri serve(File served) {
        folder = served;
        Robolectric.setupContentProvider(FolderProvider.class, AUTHORITY);
        return DocumentsContract.buildTreeDocumentUri(AUTHORITY, "root");
    }

    @Override
    public boolean onCreate() {
        return true;
    }

    @Override
    public Cursor query(Uri uri, String[] columns, String selection, String[] arguments, String order) {
        MatrixCursor rows = new MatrixCursor(new String[] {
            Document.COLUMN_DISPLAY_NAME, Document.COLUMN_DOCUMENT_ID, Document.COLUMN_SIZE
        });
        for (File file : folder.listFiles()) {
            long size = file.getName().equals("huge.bin") ? HUGE : file.length();
            rows.addRow(new Object[] {file.getName(), "root/" + file.getName(), size});
        }
        return rows;
    }

    @Override
    public ParcelFileDescriptor openFile(Uri uri, String mode) throws FileNotFoundException {
        String name = DocumentsContract.getDocumentId(uri).replace("root/", "");
        return ParcelFileDescriptor.open(new File(folder, name), ParcelFileDescriptor.MODE_READ_ONLY);
    }

    @Override
    public String getType(Uri uri) {
        return null;
    }

    @Override
    public Uri insert(Uri uri, ContentValues values) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int delete(Uri uri, String selection, String[] arguments) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int update(Uri uri, ContentValues values, String selection, String[] arguments) {
        throw new UnsupportedOperationException();
    }
}
