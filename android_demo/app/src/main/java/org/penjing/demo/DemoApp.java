package org.penjing.demo;

import android.app.Application;
import android.content.Context;
import android.system.ErrnoException;
import android.system.Os;
import android.util.Log;

/**
 * The process: it turns the engine's telemetry off before anything can load the engine, and holds the one session.
 *
 * <p>Left out: dependency injection and services; everything else hangs on {@link Session}.
 */
public final class DemoApp extends Application {
    private Session session;

    @Override
    protected void attachBaseContext(Context base) {
        super.attachBaseContext(base);
        try {
            Os.setenv("ORT_DISABLE_TELEMETRY", "1", true);
        } catch (ErrnoException error) {
            Log.w("penjing", "telemetry could not be turned off, but without INTERNET nothing can be sent", error);
        }
    }

    @Override
    public void onCreate() {
        super.onCreate();
        session = new Session(this);
    }

    /** What is open and running, for every screen of this process. */
    static Session session(Context context) {
        return ((DemoApp) context.getApplicationContext()).session;
    }
}
