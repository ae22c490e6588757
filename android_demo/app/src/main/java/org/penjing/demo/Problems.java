package org.penjing.demo;

import android.system.ErrnoException;
import android.system.OsConstants;
import android.util.Log;
import java.io.IOException;
import org.penjing.core.PenjingException;

/**
 * One line for the screen from whatever went wrong.
 *
 * <p>Left out: other languages: what the core says is English, as on the desk, so that it can be searched for.
 */
final class Problems {
    private Problems() {}

    static String line(Throwable error) {
        if (error instanceof PenjingException) {
            return error.getMessage();
        }
        Log.w("penjing", "not expected", error);
        if (storageFull(error)) {
            return "the storage of this device is full: free some space and try again";
        }
        if (error instanceof OutOfMemoryError) {
            return "there is too little memory for this: close other apps, or use a smaller bundle";
        }
        if (error instanceof IOException) {
            return "cannot read or write: " + error.getMessage();
        }
        return "not expected: " + error + ". Please report it with the log";
    }

    private static boolean storageFull(Throwable error) {
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (cause instanceof ErrnoException errno && errno.errno == OsConstants.ENOSPC) {
                return true;
            }
        }
        return error instanceof IOException && String.valueOf(error.getMessage()).contains("ENOSPC");
    }
}
