// SPDX-License-Identifier: Apache-2.0
#include "disk.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

enum { FILES_MAX = 16, SECTOR = 512 };

struct change { // not yet synced
	size_t at, n;
	char *bytes; // NULL: truncated to `at`
};

struct file {
	char *name; // NULL: free
	struct buf now, synced;
	struct change *changes;
	size_t change_count;
	bool remove_on_close;
};

struct handle {
	sqlite3_file base;
	struct file *file;
};

static struct {
	pthread_mutex_t lock; // the store's threads take turns, but a test looks on
	struct file files[FILES_MAX];
	long operations, fail_at, cut_at;
	bool failed, full, dead;
	uint64_t chance;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t draw(uint64_t below)
{
	disk.chance ^= disk.chance << 13;
	disk.chance ^= disk.chance >> 7;
	disk.chance ^= disk.chance << 17;
	return disk.chance % below;
}

// Counts an operation; what it is to come to.
static int operate(bool grows)
{
	disk.operations++;
	if (disk.cut_at && disk.operations >= disk.cut_at)
		disk.dead = true;
	if (disk.dead)
		return SQLITE_IOERR;
	if (disk.fail_at == disk.operations) {
		disk.failed = true;
		return SQLITE_IOERR;
	}
	return grows && disk.full ? SQLITE_FULL : SQLITE_OK;
}

// ---- files

static void put_at(struct buf *b, size_t at, const char *bytes, size_t n)
{
	while (b->n < at + n)
		buf_add_byte(b, 0);
	memcpy(b->p + at, bytes, n);
}

static void remember(struct file *f, struct change c)
{
	f->changes = mem_realloc(f->changes, (f->change_count + 1) * sizeof *f->changes);
	f->changes[f->change_count++] = c;
}

static void forget_changes(struct file *f)
{
	for (size_t i = 0; i < f->change_count; i++)
		free(f->changes[i].bytes);
	free(f->changes);
	f->changes = NULL;
	f->change_count = 0;
}

static void drop_file(struct file *f)
{
	forget_changes(f);
	buf_finish(&f->now);
	buf_finish(&f->synced);
	free(f->name);
	*f = (struct file){0};
}

static struct file *find(const char *name)
{
	for (int i = 0; i < FILES_MAX; i++)
		if (disk.files[i].name && strcmp(disk.files[i].name, name) == 0)
			return &disk.files[i];
	return NULL;
}

static struct file *create(const char *name)
{
	for (int i = 0; i < FILES_MAX; i++) {
		if (disk.files[i].name)
			continue;
		disk.files[i].name = mem_strdup(name);
		return &disk.files[i];
	}
	return NULL;
}

static struct file *file_of(sqlite3_file *h)
{
	return ((struct handle *)h)->file;
}

static int file_close(sqlite3_file *h)
{
	pthread_mutex_lock(&disk.lock);
	if (file_of(h)->remove_on_close)
		drop_file(file_of(h));
	pthread_mutex_unlock(&disk.lock);
	return SQLITE_OK;
}

static int file_read(sqlite3_file *h, void *out, int n, sqlite3_int64 at)
{
	struct file *f = file_of(h);
	pthread_mutex_lock(&disk.lock);
	int r = operate(false);
	if (r == SQLITE_OK) {
		size_t from = (size_t)at < f->now.n ? (size_t)at : f->now.n;
		size_t there = f->now.n - from < (size_t)n ? f->now.n - from : (size_t)n;
		if (there)
			memcpy(out, f->now.p + from, there);
		memset((char *)out + there, 0, (size_t)n - there);
		r = there < (size_t)n ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
	}
	pthread_mutex_unlock(&disk.lock);
	return r == SQLITE_IOERR ? SQLITE_IOERR_READ : r;
}

static int file_write(sqlite3_file *h, const void *bytes, int n, sqlite3_int64 at)
{
	struct file *f = file_of(h);
	pthread_mutex_lock(&disk.lock);
	int r = operate(true);
	if (r == SQLITE_OK || disk.dead) { // when the power goes, the last write may be on its way
		struct change c = {(size_t)at, (size_t)n, mem_alloc((size_t)n)};
		memcpy(c.bytes, bytes, (size_t)n);
		remember(f, c);
		put_at(&f->now, (size_t)at, bytes, (size_t)n);
	}
	pthread_mutex_unlock(&disk.lock);
	return r == SQLITE_IOERR ? SQLITE_IOERR_WRITE : r;
}

static void truncate_to(struct buf *b, size_t n)
{
	if (b->n > n)
		b->n = n;
}

static int file_truncate(sqlite3_file *h, sqlite3_int64 n)
{
	struct file *f = file_of(h);
	pthread_mutex_lock(&disk.lock);
	int r = operate(false);
	if (r == SQLITE_OK) {
		remember(f, (struct change){(size_t)n, 0, NULL});
		truncate_to(&f->now, (size_t)n);
	}
	pthread_mutex_unlock(&disk.lock);
	return r == SQLITE_IOERR ? SQLITE_IOERR_TRUNCATE : r;
}

static int file_sync(sqlite3_file *h, int flags)
{
	struct file *f = file_of(h);
	pthread_mutex_lock(&disk.lock);
	int r = operate(false);
	if (r == SQLITE_OK) {
		buf_clear(&f->synced);
		buf_add(&f->synced, buf_str(&f->now));
		forget_changes(f);
	}
	pthread_mutex_unlock(&disk.lock);
	return r == SQLITE_IOERR ? SQLITE_IOERR_FSYNC : r;
}

static int file_size(sqlite3_file *h, sqlite3_int64 *out)
{
	*out = (sqlite3_int64)file_of(h)->now.n;
	return SQLITE_OK;
}

static int file_lock(sqlite3_file *h, int level)
{
	return SQLITE_OK;
}

static int file_check_lock(sqlite3_file *h, int *out)
{
	*out = 0;
	return SQLITE_OK;
}

static int file_control(sqlite3_file *h, int what, void *arg)
{
	return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *h)
{
	return 4096;
}

static int characteristics(sqlite3_file *h)
{
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE; // as SQLite assumes of a real disk
}

static const sqlite3_io_methods methods = {
	.iVersion = 1, .xClose = file_close, .xRead = file_read, .xWrite = file_write, .xTruncate = file_truncate,
	.xSync = file_sync, .xFileSize = file_size, .xLock = file_lock, .xUnlock = file_lock,
	.xCheckReservedLock = file_check_lock, .xFileControl = file_control, .xSectorSize = sector_size,
	.xDeviceCharacteristics = characteristics,
};

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *h, int flags, int *out_flags)
{
	pthread_mutex_lock(&disk.lock);
	struct file *f = name ? find(name) : NULL;
	if (!f && (flags & SQLITE_OPEN_CREATE) && !disk.dead)
		f = create(name ? name : "temporary");
	h->pMethods = f ? &methods : NULL;
	((struct handle *)h)->file = f;
	if (f)
		f->remove_on_close = flags & SQLITE_OPEN_DELETEONCLOSE;
	if (out_flags)
		*out_flags = flags;
	pthread_mutex_unlock(&disk.lock);
	return f ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int disk_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	pthread_mutex_lock(&disk.lock);
	int r = operate(false);
	struct file *f = find(name);
	if (f && r == SQLITE_OK)
		drop_file(f);
	pthread_mutex_unlock(&disk.lock);
	return r != SQLITE_OK ? SQLITE_IOERR_DELETE : f ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

static int disk_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	pthread_mutex_lock(&disk.lock);
	struct file *f = find(name);
	*out = f && (flags != SQLITE_ACCESS_EXISTS || f->now.n > 0);
	pthread_mutex_unlock(&disk.lock);
	return SQLITE_OK;
}

static int disk_full_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
	return str_to_c(str_of(name), out, (size_t)size) ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int disk_randomness(sqlite3_vfs *vfs, int n, char *out)
{
	for (int i = 0; i < n; i++)
		out[i] = (char)draw(256);
	return n;
}

static int disk_sleep(sqlite3_vfs *vfs, int us)
{
	return us;
}

static int disk_time(sqlite3_vfs *vfs, double *out)
{
	*out = 2461000.5;
	return SQLITE_OK;
}

static sqlite3_vfs vfs = {
	.iVersion = 1, .szOsFile = sizeof(struct handle), .mxPathname = 512, .zName = "disk", .xOpen = disk_open,
	.xDelete = disk_delete, .xAccess = disk_access, .xFullPathname = disk_full_path,
	.xRandomness = disk_randomness, .xSleep = disk_sleep, .xCurrentTime = disk_time,
};

// ---- what tests call

void disk_insert(uint64_t seed)
{
	disk.operations = disk.fail_at = disk.cut_at = 0;
	disk.failed = disk.full = disk.dead = false;
	disk.chance = seed * 2654435761u + 1;
	sqlite3_vfs_register(&vfs, 1);
}

void disk_remove(void)
{
	sqlite3_vfs_unregister(&vfs);
	for (int i = 0; i < FILES_MAX; i++)
		if (disk.files[i].name)
			drop_file(&disk.files[i]);
}

long disk_operations(void)
{
	pthread_mutex_lock(&disk.lock);
	long n = disk.operations;
	pthread_mutex_unlock(&disk.lock);
	return n;
}

void disk_fail_at(long operation)
{
	pthread_mutex_lock(&disk.lock);
	disk.fail_at = operation;
	disk.failed = false;
	pthread_mutex_unlock(&disk.lock);
}

bool disk_failed(void)
{
	pthread_mutex_lock(&disk.lock);
	bool failed = disk.failed;
	pthread_mutex_unlock(&disk.lock);
	return failed;
}

void disk_set_full(bool full)
{
	pthread_mutex_lock(&disk.lock);
	disk.full = full;
	pthread_mutex_unlock(&disk.lock);
}

void disk_cut_power_at(long operation)
{
	pthread_mutex_lock(&disk.lock);
	disk.cut_at = operation;
	pthread_mutex_unlock(&disk.lock);
}

// A write survives whole, torn at a sector, or not.
static void survive(struct buf *b, const struct change *c, int luck)
{
	size_t n = luck == 0 || (luck == 1 && draw(2)) ? 0 : c->n;
	if (!c->bytes) {
		truncate_to(b, n || draw(2) ? c->at : b->n);
		return;
	}
	if (luck == 1 && n > SECTOR && draw(3) == 0)
		n = draw(n / SECTOR) * SECTOR;
	if (n)
		put_at(b, c->at, c->bytes, n);
}

void disk_restore_power(void)
{
	for (int i = 0; i < FILES_MAX; i++) {
		struct file *f = &disk.files[i];
		int luck = (int)draw(3); // nothing unsynced survives; some; all
		for (size_t j = 0; j < f->change_count; j++)
			survive(&f->synced, &f->changes[j], luck);
		forget_changes(f);
		buf_clear(&f->now);
		buf_add(&f->now, buf_str(&f->synced));
	}
	disk.dead = false;
	disk.cut_at = 0;
}

unsigned char *disk_bytes(const char *path, size_t *n)
{
	struct file *f = find(path);
	if (!f)
		return NULL;
	*n = f->now.n;
	return (unsigned char *)f->now.p;
}
