/* Stand-ins for what Android's libc, liblog and libandroid do differently from glibc, so that a library that was built
   for Android runs on Linux. bionic.py adds a trampoline to glibc for every function that both have alike.

   The differences are numbers (sysconf, locale masks), sizes (mutexes, attributes, signal sets are smaller in bionic)
   and names. Left out: all that ONNX Runtime does not call, and files that were opened through __sF. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Gives bionic_NAME the name and version that the engine asks for. */
#define EXPORT(name) __asm__(".symver bionic_" #name ", " #name "@LIBC")

EXPORT(sysconf);
EXPORT(newlocale);
EXPORT(pthread_mutex_init);
EXPORT(pthread_attr_init);
EXPORT(sigfillset);
EXPORT(pthread_sigmask);
EXPORT(__FD_ISSET_chk);
EXPORT(__FD_SET_chk);
EXPORT(__strchr_chk);
EXPORT(__strlen_chk);
EXPORT(__system_property_get);
EXPORT(android_set_abort_message);
EXPORT(stdin);
EXPORT(stdout);
EXPORT(stderr);
EXPORT(__sF);

/* bionic's <bits/sysconf.h>; the names that are not here are not asked for. */
long bionic_sysconf(int name) {
    switch (name) {
        case 0x06: return sysconf(_SC_CLK_TCK);
        case 0x27: /* _SC_PAGESIZE and _SC_PAGE_SIZE */
        case 0x28: return sysconf(_SC_PAGESIZE);
        case 0x60: return sysconf(_SC_NPROCESSORS_CONF);
        case 0x61: return sysconf(_SC_NPROCESSORS_ONLN);
        case 0x62: return sysconf(_SC_PHYS_PAGES);
        case 0x63: return sysconf(_SC_AVPHYS_PAGES);
        default: return -1;
    }
}

/* glibc refuses the bit of LC_ALL, which bionic's mask has. */
locale_t bionic_newlocale(int mask, const char *name, locale_t base) {
    return newlocale(mask & LC_ALL_MASK, name, base);
}

/* glibc's are longer than bionic's, and their initialisers clear them whole; what is used of them is not. */
enum { MUTEX = 40, ATTRIBUTES = 56 };

int bionic_pthread_mutex_init(void *mutex, const pthread_mutexattr_t *attributes) {
    pthread_mutex_t made;
    int code = pthread_mutex_init(&made, attributes);
    memcpy(mutex, &made, MUTEX);
    return code;
}

int bionic_pthread_attr_init(void *attributes) {
    pthread_attr_t made;
    int code = pthread_attr_init(&made);
    memcpy(attributes, &made, ATTRIBUTES);
    return code;
}

/* bionic's sigset_t has the kernel's 8 bytes, glibc's 128. */
int bionic_sigfillset(uint64_t *set) {
    *set = ~(uint64_t)0;
    return 0;
}

int bionic_pthread_sigmask(int how, const uint64_t *set, uint64_t *old) {
    return syscall(SYS_rt_sigprocmask, how, set, old, sizeof *set) ? -1 : 0;
}

int bionic___FD_ISSET_chk(int fd, const fd_set *set, size_t size) { return (size_t)fd < 8 * size && FD_ISSET(fd, set); }

void bionic___FD_SET_chk(int fd, fd_set *set, size_t size) {
    if ((size_t)fd < 8 * size) FD_SET(fd, set);
}

char *bionic___strchr_chk(const char *text, int letter, size_t size) { return (void)size, strchr(text, letter); }

size_t bionic___strlen_chk(const char *text, size_t size) { return (void)size, strlen(text); }

int bionic___system_property_get(const char *name, char *value) {
    (void)name;
    *value = 0;
    return 0;
}

void bionic_android_set_abort_message(const char *message) { fprintf(stderr, "%s\n", message); }

/* liblog's: on stderr, as the runner's own line comes last there. */
int __android_log_vprint(int level, const char *tag, const char *format, va_list arguments) {
    fprintf(stderr, "%d %s: ", level, tag);
    vfprintf(stderr, format, arguments);
    return fputc('\n', stderr);
}

int __android_log_print(int level, const char *tag, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int code = __android_log_vprint(level, tag, format, arguments);
    va_end(arguments);
    return code;
}

int __android_log_write(int level, const char *tag, const char *text) {
    return __android_log_print(level, tag, "%s", text);
}

/* bionic's variables of these names, and its older array of three FILE of 152 bytes. */
FILE *bionic_stdin, *bionic_stdout, *bionic_stderr;
char bionic___sF[3 * 152];

static void missing(void) {
    fputs("the engine called a function of Android that the stand-ins lack: add it to bionic.c\n", stderr);
    abort();
}

/* Made by bionic.py: where each trampoline jumps to, and the name that glibc has for it. */
extern void *bionic_targets[];
extern const char *const bionic_names[];
extern const int bionic_count;

__attribute__((constructor)) static void find_targets(void) {
    void *c = dlopen("libc.so.6", RTLD_NOW), *m = dlopen("libm.so.6", RTLD_NOW);
    for (int i = 0; i < bionic_count; i++) {
        void *found = dlsym(c, bionic_names[i]);
        if (!found) found = dlsym(m, bionic_names[i]);
        if (!found) fprintf(stderr, "glibc has no %s\n", bionic_names[i]);
        bionic_targets[i] = found ? found : (void *)missing;
    }
    bionic_stdin = stdin;
    bionic_stdout = stdout;
    bionic_stderr = stderr;
}
