/* Android's arm64 code keeps its stack guard at byte 40 of the thread's storage. In a program of glibc the main
   program's own variables of a thread come first there: so these never change. Left out: everything else. */

__thread char penjing_thread_room[64] __attribute__((aligned(16), used));
