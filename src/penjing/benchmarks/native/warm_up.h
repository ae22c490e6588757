/* When a warm-up is over: `last_change` of benchmarks/warm_up.py, where the method and its source are told. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEWEST_STEADY 10
#define FEWEST_IN_SEGMENT 3
#define MOST_CALLS 200
#define MOST_WARM_NS 1000000000.0
#define SMALLEST_STEP 0.01
#define MAD_TO_SIGMA 1.4826

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(const double *values, int n) {
    double sorted[MOST_CALLS];
    memcpy(sorted, values, (size_t)n * sizeof *values);
    qsort(sorted, (size_t)n, sizeof *sorted, by_size);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* The spread of one level, from the differences of neighbours. */
static double sigma_of(const double *logs, int n) {
    double steps[MOST_CALLS];
    for (int i = 0; i + 1 < n; i++) steps[i] = fabs(logs[i + 1] - logs[i]);
    return MAD_TO_SIGMA * median_of(steps, n - 1) / sqrt(2);
}

/* The split into two levels that explains most; 0 when it explains no more than chance, or is under 1%. */
static int best_cut(const double *logs, int n) {
    if (n < 2 * FEWEST_IN_SEGMENT) return 0;
    double sigma = sigma_of(logs, n), middle = median_of(logs, n);
    double reach = fmax(10 * sigma, 2 * SMALLEST_STEP), sums[MOST_CALLS], total = 0, most = -1, step = 0;
    for (int i = 0; i < n; i++) sums[i] = total += fmin(fmax(logs[i], middle - reach), middle + reach);
    int best = 0;
    for (int cut = FEWEST_IN_SEGMENT; cut <= n - FEWEST_IN_SEGMENT; cut++) {
        double apart = sums[cut - 1] / cut - (total - sums[cut - 1]) / (n - cut);
        double gain = (double)cut * (n - cut) / n * apart * apart;
        if (gain > most) most = gain, best = cut, step = fabs(apart);
    }
    return most <= 3 * log(n) * sigma * sigma || step < SMALLEST_STEP ? 0 : best;
}

/* Where the last segment of one level begins among n <= MOST_CALLS times; 0 when there is one level. */
static int last_change(const double *times, int n) {
    double logs[MOST_CALLS];
    int start = 0;
    for (int i = 0; i < n; i++) logs[i] = log(fmax(times[i], 1e-12));
    for (int cut; (cut = best_cut(logs + start, n - start)) > 0;) start += cut;
    return start;
}
