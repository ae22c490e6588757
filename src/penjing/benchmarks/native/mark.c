/* The markers between which armcost.c counts, for programs that are not ours: call them around what is to be counted.

   Both are hints, which do nothing on a real core. runner.c has them inside. */

void penjing_begin(void);
void penjing_end(void);

void penjing_begin(void) {
#ifdef __aarch64__
    __asm__ volatile("hint #0x4d" ::: "memory");
#endif
}

void penjing_end(void) {
#ifdef __aarch64__
    __asm__ volatile("hint #0x4e" ::: "memory");
#endif
}
