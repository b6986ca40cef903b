"""What tools/coverage prints: branches taken, from the JSON of `llvm-cov export`.

usage: coverage.py ROOT JSON [--files] [--misses] [--unexplained]

A branch is one side of one condition at one place of a source file.  It was taken when any instantiation of the code,
in any program, took it.  What does not count:

  - conditions that the compiler decides, which llvm-cov leaves out of its functions' lists;
  - contracts, whose failing side ends the process: Expects and Ensures expand in platform/contracts.hpp, and clang puts
    their conditions there;
  - what stands behind `planted(...) &&`: only an engine with a planted fault looks at it (platform/mutation.hpp);
  - comparisons that the compiler writes (`= default`).
"""

import collections
import json
import os
import re
import sys

LAYERS = ['crypto', 'journal', 'pager', 'backup']
OTHERS = ['txn', 'tree']
# What makes a state of a superblock and a journal again, outside of the journal's own folder.
RECOVERY = {'txn/recovery.cpp', 'txn/recovery.hpp', 'txn/history.cpp', 'txn/history.hpp', 'txn/delta.hpp',
            'txn/store_files.hpp'}


def group_of(path):
    if path in RECOVERY:
        return 'recovery'
    folder = path.split('/')[0]
    return folder if folder in LAYERS + OTHERS else None


def read_branches(root, export, sources):
    """{(path, line, column, end line, end column): [taken true, taken false]}"""
    branches = collections.defaultdict(lambda: [0, 0])
    for function in export['data'][0]['functions']:
        paths = [os.path.relpath(name, root) for name in function['filenames']]
        for line, column, end_line, end_column, true, false, file, *_ in function['branches']:
            if group_of(paths[file]) is None:
                continue
            counts = branches[(paths[file], line, column, end_line, end_column)]
            counts[0] += true
            counts[1] += false
    return {place: counts for place, counts in branches.items()
            if not sources.only_planted(*place[:3]) and not sources.compared_by_compiler(*place[:2])}


class Sources:
    def __init__(self, root):
        self.root, self.lines = root, {}

    def of(self, path):
        if path not in self.lines:
            with open(os.path.join(self.root, path), encoding='utf-8') as file:
                self.lines[path] = file.read().split('\n')
        return self.lines[path]

    def only_planted(self, path, line, column):
        before = '\n'.join(self.of(path)[max(0, line - 3):line])
        before = before[:len(before) - len(self.of(path)[line - 1]) + column - 1]
        return re.search(r'planted\([^()]*\)\s*&&\s*$', before) is not None

    def compared_by_compiler(self, path, line):
        return re.search(r'operator==.*= default;', self.of(path)[line - 1]) is not None

    def condition(self, path, line, column, end_line, end_column):
        """A condition's text on one line, as the list of explanations quotes it."""
        text = self.of(path)[line - 1:end_line]
        text[-1] = text[-1][:end_column - 1]
        text[0] = text[0][column - 1:]
        return re.sub(r'\s+', ' ', ' '.join(text)).strip()


def table_line(name, branches):
    sides = 2 * len(branches)
    taken = sum((counts[0] > 0) + (counts[1] > 0) for counts in branches.values())
    share = 100 * taken / sides if sides else 100
    print(f'{name:34} {sides:8} {taken:8} {sides - taken:8} {share:8.1f} %')


def print_table(branches, files):
    print(f'{"":34} {"branches":>8} {"taken":>8} {"missed":>8} {"taken":>10}')
    by_group = collections.defaultdict(dict)
    for place, counts in branches.items():
        by_group[group_of(place[0])][place] = counts
    for group in ['crypto', 'journal', 'recovery', 'pager', 'backup']:
        table_line(group, by_group[group])
    table_line('these', {p: c for p, c in branches.items() if group_of(p[0]) not in OTHERS})
    for group in OTHERS:
        table_line(f'besides: {group}', by_group[group])
    if files:
        print()
        for path in sorted({place[0] for place in branches}):
            table_line(path, {p: c for p, c in branches.items() if p[0] == path})


def misses_of(branches, sources):
    """[(path, line, column, side, condition)], sorted; of what the table is about."""
    misses = []
    for place, counts in sorted(branches.items()):
        if group_of(place[0]) in OTHERS:
            continue
        for side, count in zip(('true', 'false'), counts):
            if count == 0:
                misses.append((*place[:3], side, sources.condition(*place)))
    return misses


def read_explained(root):
    """{(path, condition, side)} of the rows `| condition | side | why |` below a heading with the file's path."""
    explained, path = set(), None
    try:
        lines = open(os.path.join(root, 'docs/coverage.md'), encoding='utf-8').read().split('\n')
    except FileNotFoundError:
        lines = []
    for line in lines:
        if heading := re.fullmatch(r'#+ `?([a-z_]+/[a-z_]+\.[ch]pp)`?', line):
            path = heading[1]
        elif row := re.fullmatch(r'\| `` ?(.*?) ?`` \| (true|false|both) \|.*', line):
            condition = row[1].replace('\\|', '|')
            for side in ('true', 'false') if row[2] == 'both' else (row[2],):
                explained.add((path, condition, side))
    return explained


def print_unexplained(root, misses):
    """Whether each miss is explained."""
    explained = read_explained(root)
    missed = {(path, condition, side) for path, _, _, side, condition in misses}
    unexplained = [miss for miss in misses if (miss[0], miss[4], miss[3]) not in explained]
    print(f'\n{len(misses) - len(unexplained)} misses explained, {len(unexplained)} not')
    for path, line, column, side, condition in unexplained:
        print(f'{path}:{line}:{column}  {side:5}  {condition}')
    for path, condition, side in sorted(explained - missed):
        print(f'explained, and taken in this run: {path}  {side:5}  {condition}')
    return not unexplained


def main():
    root, path, *wanted = sys.argv[1:]
    sources = Sources(root)
    with open(path, encoding='utf-8') as file:
        branches = read_branches(root, json.load(file), sources)
    misses = misses_of(branches, sources)
    print_table(branches, '--files' in wanted)
    if '--misses' in wanted:
        print()
        for miss_path, line, column, side, condition in misses:
            print(f'{miss_path}:{line}:{column}  {side:5}  {condition}')
    if '--unexplained' in wanted:
        sys.exit(0 if print_unexplained(root, misses) else 1)


if __name__ == '__main__':
    main()
