package org.penjing.demo;

import android.content.Context;
import android.graphics.Canvas;
import android.graphics.DashPathEffect;
import android.graphics.Paint;
import android.graphics.Path;
import android.util.AttributeSet;
import android.view.View;

/**
 * The last scores as a line, the threshold as a dashed one, alarms as dots. A score far above the threshold is cut at
 * the top, so that the threshold stays in sight.
 *
 * <p>Left out: axes with numbers, zooming, and touch: the numbers stand above the plot.
 */
public final class ScorePlot extends View {
    private static final int HIGHEST = 3; // times the distance from the lowest score to the threshold

    private final Paint line = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Paint limit = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Paint dot = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Path path = new Path();
    private final float density;
    private ScoreHistory history = new ScoreHistory(0);
    private double threshold = Double.NaN;
    private float bottom;
    private float top;

    public ScorePlot(Context context, AttributeSet attributes) {
        super(context, attributes);
        density = getResources().getDisplayMetrics().density;
        line.setStyle(Paint.Style.STROKE);
        line.setStrokeWidth(2 * density);
        line.setStrokeJoin(Paint.Join.ROUND);
        line.setColor(context.getColor(R.color.accent));
        limit.setStyle(Paint.Style.STROKE);
        limit.setStrokeWidth(1.5f * density);
        limit.setPathEffect(new DashPathEffect(new float[] {6 * density, 4 * density}, 0));
        limit.setColor(context.getColor(R.color.alarm));
        dot.setColor(context.getColor(R.color.alarm));
    }

    void show(ScoreHistory scores, double limitAt) {
        history = scores;
        threshold = limitAt;
        invalidate();
    }

    @Override
    protected void onDraw(Canvas canvas) {
        super.onDraw(canvas);
        if (Double.isNaN(threshold)) {
            return;
        }
        scale();
        path.rewind();
        path.moveTo(0, y((float) threshold));
        path.lineTo(getWidth(), y((float) threshold));
        canvas.drawPath(path, limit);
        trace();
        canvas.drawPath(path, line);
        for (int i = 0; i < history.size(); i++) {
            if (history.alarm(i)) {
                canvas.drawCircle(x(i), y(history.score(i)), 5 * density, dot);
            }
        }
    }

    private void scale() {
        float low = (float) Math.min(0, threshold);
        float high = (float) threshold;
        for (int i = 0; i < history.size(); i++) {
            float score = history.score(i);
            low = score < low ? score : low; // false for NaN
            high = score > high ? score : high;
        }
        double spread = Math.max(threshold - low, 1e-6);
        high = (float) Math.max(Math.min(high, threshold + HIGHEST * spread), threshold + spread / 3);
        bottom = low;
        top = high;
    }

    private void trace() {
        path.rewind();
        boolean pen = false;
        for (int i = 0; i < history.size(); i++) {
            float score = history.score(i);
            if (Float.isNaN(score)) {
                pen = false;
            } else if (pen) {
                path.lineTo(x(i), y(score));
            } else {
                path.moveTo(x(i), y(score));
                pen = true;
            }
        }
    }

    // The newest sample stays at the right edge, less the dot's room.
    private float x(int i) {
        float room = getWidth() - 8 * density;
        return room - (history.size() - 1 - i) * room / (history.room() - 1);
    }

    private float y(float score) {
        float edge = 8 * density;
        float share = (Math.min(score, top) - bottom) / (top - bottom);
        return getHeight() - edge - share * (getHeight() - 2 * edge);
    }
}
