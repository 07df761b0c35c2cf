#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes C tables (see src/api/schema.h) of the schema's text (see schema/README.md for its words).

usage: schema_gen.py OUT.c FILE.schema...

Mistakes are reported as `FILE:LINE: what is wrong`, and nothing is written.
"""
import base64
import hashlib
import json
import re
import sys

SCALARS = {
    "string": "API_STRING", "bool": "API_BOOL", "int32": "API_INT32", "int64": "API_INT64", "double": "API_DOUBLE",
    "bytes": "API_BYTES", "quantity": "API_QUANTITY", "int-or-string": "API_INT_OR_STRING", "time": "API_TIME",
    "microtime": "API_MICRO_TIME", "duration": "API_DURATION", "any": "API_ANY",
}
SHAPES = {"": "API_ONE", "[]": "API_LIST", "{}": "API_MAP", "{}[]": "API_MAP_OF_LISTS"}
VERBS = {
    "get": "API_GET", "list": "API_LIST_VERB", "watch": "API_WATCH", "create": "API_CREATE", "update": "API_UPDATE",
    "patch": "API_PATCH", "delete": "API_DELETE", "deletecollection": "API_DELETE_COLLECTION",
}
NAME_MAX, FIELDS_MAX = 64, 255  # what look-ups in src/api count on
FIELD = re.compile(r"^  +(-|\d+(?:\.\d+)?) +(\S+) +(\*?)(\{\}\[\]|\[\]|\{\}|)([\w.-]+)(!?)(?: +(.*?))?$")


class Mistake(Exception):
    pass


class Group:
    def __init__(self, text, alias, package):
        self.name, _, self.version = text.rpartition("/")
        self.alias, self.package = alias, package
        self.shared = self.name == "meta"  # types only: of no group
        if self.shared:
            self.name = ""

    def path(self):
        return "apis/%s/%s" % (self.name, self.version) if self.name else "api/" + self.version

    def type_name(self, name):
        return "%s%s.%s" % (self.name + "/" if self.name else "", self.version, name)


class Type:
    def __init__(self, group, name, kind, doc):
        self.group, self.name, self.kind, self.doc = group, name, kind, doc
        self.atomic, self.defaults = False, None
        self.fields = []
        self.c_name = "type_%s_%s" % (group.alias, name)


class Field:
    def __init__(self, where, number, name, pointer, shape, base, always, doc):
        self.where, self.name, self.pointer, self.shape, self.base, self.doc = where, name, pointer, shape, base, doc
        outer, _, inner = number.replace("-", "0").partition(".")
        self.within, self.number = (int(outer), int(inner)) if inner else (0, int(outer))
        self.always = always
        self.type = None
        self.required = self.merge = self.retain_keys = self.off = self.kept = False
        self.list_type, self.keys, self.merge_key, self.enums = "API_LIST_NONE", [], "", []
        self.default = None


class Resource:
    def __init__(self, group, plural, kind, namespaced, ephemeral):
        self.group, self.plural, self.kind, self.namespaced, self.ephemeral = group, plural, kind, namespaced, ephemeral
        self.singular, self.shorts, self.categories, self.verbs, self.selectable = "", [], [], [], []
        self.subresources, self.columns, self.store, self.deprecated = [], [], None, ""


def cut_doc(line):
    text, _, doc = line.partition(" -- ")
    if text.endswith(" --"):
        text = text[:-3]
    return text.rstrip(), doc.strip()


class Reader:
    """Reads files one after the other; references between types are resolved at the end."""

    def __init__(self):
        self.types, self.by_name, self.resources = [], {}, []
        self.group = self.type = self.resource = None

    def read(self, path):
        self.group = self.type = self.resource = None
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    self.line(line.rstrip("\n"), "%s:%d" % (path, number))
                except (Mistake, ValueError) as error:
                    raise Mistake("%s:%d: %s" % (path, number, error))

    def line(self, line, where):
        if not line.strip() or line.startswith("#"):
            return
        if line.startswith(" "):
            if self.type:
                self.field(line, where)
            elif self.resource:
                self.property(line.strip(), where)
            else:
                raise Mistake("an indented line belongs below a type or a resource")
            return
        text, doc = cut_doc(line)
        word, *rest = text.split()
        if word == "group" and len(rest) == 3:
            self.group = Group(*rest)
        elif not self.group:
            raise Mistake("the first line must be: group GROUP/VERSION ALIAS PACKAGE")
        elif word in ("type", "kind"):
            self.begin_type(word == "kind", rest, doc)
        elif word == "resource":
            self.begin_resource(rest)
        else:
            raise Mistake("unknown word %r" % word)

    def begin_type(self, kind, rest, doc):
        if not rest:
            raise Mistake("expected: type NAME [WORDS] -- DOC")
        self.resource = None
        self.type = Type(self.group, rest[0], kind, doc)
        for word in rest[1:]:
            key, _, value = word.partition("=")
            if key == "atomic":
                self.type.atomic = True
            elif key == "defaults":
                self.type.defaults = value
            else:
                raise Mistake("unknown word %r" % word)
        self.add_type(self.type)

    def add_type(self, new):
        name = new.group.alias + "." + new.name
        if name in self.by_name:
            raise Mistake("type %s is there already" % name)
        self.by_name[name] = new
        self.types.append(new)
        if new.kind:
            new.fields.append(Field("", "-", "apiVersion", "", "", "string", "", "Group and version of the kind."))
            new.fields.append(Field("", "-", "kind", "", "", "string", "", "Name of the kind."))

    def field(self, line, where):
        text, doc = cut_doc(line)
        match = FIELD.match(text)
        if not match:
            raise Mistake("expected: NUMBER NAME TYPE [WORDS] -- DOC")
        number, name, pointer, shape, base, always, words = match.groups()
        field = Field(where, number, name, pointer, shape, base, always, doc)
        if any(f.name == name for f in self.type.fields):
            raise Mistake("field %s is there already" % name)
        if len(name) > NAME_MAX or len(self.type.fields) == FIELDS_MAX:
            raise Mistake("more than the tables hold")
        if number != "-" and any((f.within, f.number) == (field.within, field.number) for f in self.type.fields):
            raise Mistake("number %s is taken" % number)
        for word in (words or "").split():
            self.word(field, *word.partition("=")[::2])
        self.type.fields.append(field)

    def word(self, field, key, value):
        if key == "required":
            field.required = True
        elif key in ("atomic", "set"):
            field.list_type = "API_LIST_" + key.upper()
        elif key == "keys":
            field.list_type, field.keys = "API_LIST_MAP", value.split(",")
        elif key == "merge":
            field.merge, field.merge_key = True, value
        elif key == "retain-keys":
            field.retain_keys = True
        elif key == "off":
            field.off = True
        elif key == "kept":
            field.kept = True
        elif key == "default":
            json.loads(value)
            field.default = value
        elif key == "enum":
            field.enums = value.split("|")
        else:
            raise Mistake("unknown word %r" % key)

    def begin_resource(self, rest):
        if len(rest) < 3 or rest[2] not in ("namespaced", "cluster") or set(rest[3:]) - {"ephemeral"}:
            raise Mistake("expected: resource PLURAL KIND namespaced|cluster [ephemeral]")
        self.type = None
        self.resource = Resource(self.group, rest[0], rest[1], rest[2] == "namespaced", "ephemeral" in rest)
        self.resources.append(self.resource)

    def property(self, line, where):
        text, doc = cut_doc(line)
        word, *rest = text.split()
        r = self.resource
        if word == "names" and rest:
            r.singular, r.shorts = rest[0], rest[1:]
        elif word == "categories":
            r.categories = rest
        elif word == "verbs":
            r.verbs = self.verbs(rest)
        elif word == "selectable":
            r.selectable += rest
        elif word == "store" and len(rest) == 1:
            r.store = rest[0]
        elif word == "deprecated" and rest:
            r.deprecated = " ".join(rest)
        elif word == "subresource" and len(rest) >= 3:
            kind = rest.pop() if ":" in rest else None
            if kind:
                rest.remove(":")
            r.subresources.append((where, rest[0], rest[1], self.verbs(rest[2:]), kind or ""))
        elif word == "column" and len(rest) == 3:
            kind, _, form = rest[2].partition("/")
            r.columns.append((rest[1].replace("_", " "), kind, form, int(rest[0]), doc))
        else:
            raise Mistake("unknown line in a resource: %r" % text)

    def verbs(self, words):
        if words == ["all"]:
            return list(VERBS)
        for word in words:
            if word not in VERBS:
                raise Mistake("unknown verb %r" % word)
        return words

    def find(self, group, name, where):
        found = self.by_name.get(name if "." in name else group.alias + "." + name)
        if not found:
            raise Mistake("%s: no type %s" % (where, name))
        return found

    def resolve(self):
        for r in self.resources:
            if "list" in r.verbs:
                self.add_list(r)
        for t in self.types:
            for f in t.fields:
                if f.base not in SCALARS:
                    f.type = self.find(t.group, f.base, f.where)
        for t in self.types:
            for f in t.fields:
                for key in f.keys:
                    if f.type and not any(g.name == key for g in f.type.fields):
                        raise Mistake("%s: key %s is no field of %s" % (f.where, key, f.base))

    def add_list(self, r):
        t = Type(r.group, r.kind + "List", True, "%s objects, and the revision they were read at." % r.kind)
        self.add_type(t)
        t.fields.append(Field("", "1", "metadata", "", "", "meta.ListMeta", "", "Revision of the list, and how to go on."))
        items = Field("", "2", "items", "", "[]", r.kind, "", "The objects.")
        items.required = True
        t.fields.append(items)


def hash_of(seed, name):
    h = seed
    for c in name.encode():
        h = ((h ^ c) * 0x01000193) & 0xFFFFFFFF
    return h >> 16


def perfect_hash(names):
    """A seed and a table of places (index + 1, 0 for none) so that no two names meet."""
    size = 4
    while size < 2 * len(names):
        size *= 2
    while True:
        for seed in range(1, 2000):
            slots = [0] * size
            for i, name in enumerate(names):
                place = hash_of(seed, name) & (size - 1)
                if slots[place]:
                    break
                slots[place] = i + 1
            else:
                return seed, slots
        size *= 2


class Writer:
    def __init__(self, reader, out):
        self.r, self.out, self.lists = reader, out, {}

    def put(self, text):
        self.out.append(text)

    @staticmethod
    def text(s):
        return "STR_INIT(%s)" % json.dumps(s, ensure_ascii=False)

    def strings(self, values):
        """The name of an array of strings; the same list is written once."""
        if not values:
            return "NULL"
        key = tuple(values)
        if key not in self.lists:
            self.lists[key] = "strings_%d" % len(self.lists)
            self.put("static const struct str %s[] = {%s, {0}};" % (self.lists[key], ", ".join(map(self.text, values))))
        return self.lists[key]

    def verbs(self, verbs):
        return " | ".join(VERBS[v] for v in verbs) or "0"

    def field(self, f):
        parts = ["STR_INIT(\"%s\")" % f.name, ".value = %s" % SCALARS.get(f.base, "API_OBJECT"),
                 ".shape = %s" % SHAPES[f.shape]]
        if f.type:
            parts.append(".type = &%s" % f.type.c_name)
        if f.number:
            parts.append(".number = %d" % f.number)
        if f.within:
            parts.append(".within = %d" % f.within)
        if f.required:
            parts.append(".required = true")
        if not (f.required or f.always):
            parts.append(".omit_empty = true")
        if f.pointer:
            parts.append(".pointer = true")
        if f.off:
            parts.append(".off = true")
        if f.kept:
            parts.append(".kept = true")
        if f.list_type != "API_LIST_NONE":
            parts.append(".list_type = %s" % f.list_type)
        if f.keys:
            parts.append(".list_keys = %s" % self.strings(f.keys))
        if f.merge:
            parts.append(".patch_merge = true")
        if f.merge_key:
            parts.append(".merge_key = %s" % self.text(f.merge_key))
        if f.retain_keys:
            parts.append(".patch_retain_keys = true")
        if f.enums:
            parts.append(".enums = %s" % self.strings(f.enums))
        if f.default is not None:
            parts.append(".standard = %s" % self.text(f.default))
        parts.append(".doc = %s" % self.text(f.doc))
        return "\t{%s}," % ", ".join(parts)

    @staticmethod
    def is_filled(f):
        """Whether a default fills it in: one of its own, or {} for an object that is no pointer."""
        return f.default is not None or bool(f.type and not f.shape and not f.pointer)

    def type(self, t):
        rows = [self.field(f) for f in t.fields]
        if rows:
            self.put("static const struct api_field fields_%s_%s[] = {" % (t.group.alias, t.name))
            self.out.extend(rows)
            self.put("};")
        seed, slots = perfect_hash([f.name for f in t.fields])
        self.put("static const uint8_t slots_%s_%s[] = {%s};" % (t.group.alias, t.name, ", ".join(map(str, slots))))
        self.put("static const struct api_type %s = {" % t.c_name)
        self.put("\t.name = %s, .definition = %s, .group = %s, .version = %s, .kind = %s," % (
            self.text(t.group.type_name(t.name)), self.text(t.group.package + "." + t.name), self.text(t.group.name),
            self.text(t.group.version), self.text(t.name if t.kind else "")))
        if rows:
            self.put("\t.fields = fields_%s_%s, .field_count = %d," % (t.group.alias, t.name, len(rows)))
        self.put("\t.slots = slots_%s_%s, .slot_mask = %d, .seed = %d," % (t.group.alias, t.name, len(slots) - 1, seed))
        filled = [i + 1 for i, f in enumerate(t.fields) if self.is_filled(f)]
        self.put("\t.filled = (const uint8_t[]){%s}," % ", ".join(map(str, filled + [0])))
        if t.defaults:
            self.put("\t.defaults = api_defaults_%s," % t.defaults)
        if t.atomic:
            self.put("\t.atomic_map = true,")
        self.put("\t.doc = %s,\n};" % self.text(t.doc))

    def subresources(self, r):
        rows = []
        for where, name, body, verbs, kind in r.subresources:
            t = None if body == "-" else self.r.find(r.group, body, where)
            other = t and t.group.name != r.group.name
            rows.append("\t{.name = %s, .type = %s, .group = %s, .version = %s, .kind = %s, .verbs = %s}," % (
                self.text(name), "&" + t.c_name if t else "NULL", self.text(t.group.name if other else ""),
                self.text(t.group.version if other else ""), self.text(kind or (t.name if t else r.kind)),
                self.verbs(verbs)))
        if rows:
            self.put("static const struct api_subresource subresources_%s_%s[] = {" % (r.group.alias, r.kind))
            self.out.extend(rows)
            self.put("};")

    def columns(self, r):
        if r.columns:
            self.put("static const struct api_column columns_%s_%s[] = {" % (r.group.alias, r.kind))
            for name, kind, form, priority, doc in r.columns:
                self.put("\t{.name = %s, .type = %s, .format = %s, .priority = %d, .doc = %s}," % (
                    self.text(name), self.text(kind), self.text(form), priority, self.text(doc)))
            self.put("};")

    def resource(self, r):
        t = self.r.find(r.group, r.kind, "resource " + r.plural)
        store = r.store or (r.group.name + "/" if r.group.name else "") + r.plural
        rows = ["\t{.group = %s, .version = %s, .kind = %s, .plural = %s, .singular = %s," % tuple(
                    map(self.text, (r.group.name, r.group.version, r.kind, r.plural, r.singular))),
                "\t .path = %s," % self.text(r.group.path()),
                "\t .short_names = %s, .categories = %s, .selectable = %s," % tuple(
                    map(self.strings, (r.shorts, r.categories, r.selectable))),
                "\t .namespaced = %s, .ephemeral = %s, .verbs = %s," % (
                    "true" if r.namespaced else "false", "true" if r.ephemeral else "false", self.verbs(r.verbs)),
                "\t .type = &%s, .store_prefix = %s," % (t.c_name, self.text(store))]
        if not r.ephemeral and "list" in r.verbs:
            rows.append("\t .storage_hash = %s," % self.text(self.storage_hash(store)))
        if r.deprecated:
            rows.append("\t .deprecated = %s," % self.text(r.deprecated))
        if "list" in r.verbs:
            rows.append("\t .list_type = &%sList," % t.c_name)
        for name in ("subresource", "column"):
            if getattr(r, name + "s"):
                rows.append("\t .%ss = %ss_%s_%s, .%s_count = %d," % (
                    name, name, r.group.alias, r.kind, name, len(getattr(r, name + "s"))))
        return rows + ["\t},"]

    def storage_hash(self, store):
        """What discovery tells of the form at rest: that of the first resource that is stored there."""
        for r in self.r.resources:
            if store == (r.store or (r.group.name + "/" if r.group.name else "") + r.plural):
                form = "%s/%s/%s" % (r.group.name, r.group.version, r.kind)
                return base64.b64encode(hashlib.sha256(form.encode()).digest()[:8]).decode()

    def all(self):
        types = sorted(self.r.types, key=lambda t: t.group.type_name(t.name))
        self.put("// Made by tools/schema_gen.py from schema/*.schema.")
        self.put("#include \"api/defaults/defaults.h\"\n#include \"api/schema.h\"\n")
        for t in types:
            self.put("static const struct api_type %s;" % t.c_name)
        for t in types:
            self.type(t)
        self.put("const struct api_type *const api_types[] = {")
        for t in types:
            self.put("\t&%s," % t.c_name)
        self.put("};\nconst size_t api_type_count = %d;" % len(types))
        for r in self.r.resources:
            self.subresources(r)
            self.columns(r)
        rows = [row for r in self.r.resources for row in self.resource(r)]
        self.put("const struct api_resource api_resources[] = {")
        self.out.extend(rows)
        self.put("};\nconst size_t api_resource_count = %d;" % len(self.r.resources))


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    reader, lines = Reader(), []
    try:
        for path in sys.argv[2:]:
            reader.read(path)
        reader.resolve()
        Writer(reader, lines).all()
    except Mistake as mistake:
        sys.exit(str(mistake))
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


main()
