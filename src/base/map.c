#include "base/map.h"

/* FNV-1a, 64 bit (the public constants), folded.  Keys come from bounded
 * files of the user's own, so flooding is not a concern here. */
static size_t hash_key(const char *key)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ (h >> 32));
}

/* The slot of the key, or the free slot where it would go.  n_slots is a
 * power of two and never full. */
static size_t find_slot(const struct mill_map *m, const char *key)
{
	size_t i = hash_key(key) & (m->n_slots - 1);
	while (m->slots[i] && strcmp(m->entries[m->slots[i] - 1].key, key) != 0)
		i = (i + 1) & (m->n_slots - 1);
	return i;
}

static void rebuild(struct mill_map *m, size_t n_slots)
{
	free(m->slots);
	m->slots = mill_xcalloc(n_slots, sizeof(*m->slots));
	m->n_slots = n_slots;
	for (size_t i = 0; i < m->n; i++)
		m->slots[find_slot(m, m->entries[i].key)] = (uint32_t)(i + 1);
}

static struct mill_map_entry *find(const struct mill_map *m, const char *key)
{
	if (!m->n_slots)
		return NULL;
	uint32_t slot = m->slots[find_slot(m, key)];
	return slot ? &m->entries[slot - 1] : NULL;
}

void *mill_map_get(const struct mill_map *m, const char *key)
{
	struct mill_map_entry *e = find(m, key);
	return e ? e->value : NULL;
}

bool mill_map_has(const struct mill_map *m, const char *key)
{
	return find(m, key) != NULL;
}

static void drop_value(struct mill_map *m, void *value)
{
	if (m->free_value && value)
		m->free_value(value);
}

void mill_map_set(struct mill_map *m, const char *key, void *value)
{
	struct mill_map_entry *e = find(m, key);
	if (e) {
		if (e->value != value)
			drop_value(m, e->value);
		e->value = value;
		return;
	}
	if (m->n >= UINT32_MAX / 4)
		BUG("map of %zu entries", m->n);
	if ((m->n + 1) * 4 > m->n_slots * 3)
		rebuild(m, m->n_slots ? m->n_slots * 2 : 16);
	MILL_GROW(m->entries, m->n, m->cap);
	m->entries[m->n] = (struct mill_map_entry){.key = mill_xstrdup(key), .value = value};
	m->slots[find_slot(m, key)] = (uint32_t)(m->n + 1);
	m->n++;
}

void mill_map_remove(struct mill_map *m, const char *key)
{
	struct mill_map_entry *e = find(m, key);
	if (!e)
		return;
	drop_value(m, e->value);
	free(e->key);
	size_t i = (size_t)(e - m->entries);
	memmove(e, e + 1, (m->n - i - 1) * sizeof(*e));
	m->n--;
	/* Removal is rare: numbering the slots anew is simpler than tombstones. */
	rebuild(m, m->n_slots);
}

void mill_map_release(struct mill_map *m)
{
	void (*free_value)(void *) = m->free_value;
	for (size_t i = 0; i < m->n; i++) {
		drop_value(m, m->entries[i].value);
		free(m->entries[i].key);
	}
	free(m->entries);
	free(m->slots);
	*m = (struct mill_map){.free_value = free_value};
}
