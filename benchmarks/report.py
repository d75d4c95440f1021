#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""The tables for people and the figures for programs. Pure."""

import dataclasses

from benchmarks import goals

JUDGED = ('Without Cinder\'s database: the time in Cinder\'s volume objects '
          'and the database\nbehind them, the same for both drivers, is '
          'taken out. The goals are for this one.')
BARE = ('Beside the bare qemu-img commands that do the work of a call, '
        'without Cinder\'s\ndatabase. Ratio: our time by theirs.')
LIMIT = ('Beside what no driver can be faster than that keeps the data in a '
         'crash: the\nkernel copies the same bytes, and they are flushed. '
         'The in-tree driver flushes\nnothing; "at best" is the ratio that '
         'is within reach against it.')
WHOLE = ('With Cinder\'s database (sqlite on tmpfs), as the caller waits for '
         'it.')
_HEADER = ('operation', 'in-tree ms', 'ch/pr', 'ours ms', 'ch/pr',
           'ratio (min..max)', 'goal', 'met')
_BARE_HEADER = ('operation', 'qemu-img ms', 'ours ms', 'ratio (min..max)',
                'goal', 'met')
_LIMIT_HEADER = ('operation', 'in-tree ms', 'limit ms', 'ours ms', 'at best',
                 'ours by limit')
_FOOT = ('ch/pr: child processes of a call, and the programs that they run '
         'one in place of\nanother. Ratio: in-tree time by ours, median of '
         'the rounds. Goal: children, ratio.')

_MET = {True: 'yes', False: 'NO', None: ''}


@dataclasses.dataclass(frozen=True)
class Line:
    """One operation, measured.

    :ivar figures: (in-tree, ours), each a rounds.Figures
    :ivar saves: whether Cinder's database took part
    :ivar bare: milliseconds of the bare qemu-img commands, one for each
                round; empty where there are none
    :ivar limit: the same, of what nobody can be faster than
    """

    name: str
    title: str
    figures: tuple
    saves: bool
    bare: tuple = ()
    limit: tuple = ()

    @property
    def goal(self):
        return goals.GOALS.get(self.name)

    def ratio(self, what):
        """Spread of the ratio.

        :param what: 'net' or 'total'
        """
        return goals.ratios(*(getattr(one, what) for one in self.figures))

    def verdict(self):
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        return self.goal.is_met(self.figures[1].children.started,
                                self.ratio('net').median)

    def bare_ratio(self):
        """Spread of our time by that of the bare commands; None for none."""
        if not self.bare:
            return None
        return goals.ratios(self.figures[1].net, self.bare)

    def bare_verdict(self):
        """Whether that goal is met; None where there is none."""
        if self.goal is None or not self.bare:
            return None
        return self.goal.is_near_bare(self.bare_ratio().median)


def tables(lines, conditions):
    """The whole report as text.

    :param conditions: name -> text, what the figures depend on
    """
    judged = [_row(line, 'net', judge=True) for line in lines]
    bare = [_bare_row(line) for line in lines if line.bare]
    limit = [_limit_row(line) for line in lines if line.limit]
    whole = [_row(line, 'total') for line in lines if line.saves]
    parts = ['\n'.join('%s: %s' % item for item in conditions.items()),
             JUDGED, _table([_HEADER] + judged),
             BARE, _table([_BARE_HEADER] + bare)]
    if limit:
        parts += [LIMIT, _table([_LIMIT_HEADER] + limit)]
    parts += [WHOLE, _table([_HEADER[:6]] + whole), _FOOT]
    return '\n\n'.join(parts) + '\n'


def as_data(lines, conditions):
    """The same for json.dump; times in milliseconds, one for each round."""
    return {'conditions': conditions,
            'operations': [_data(line) for line in lines]}


def _data(line):
    data = {'name': line.name, 'goal': None, 'met': line.verdict()}
    if line.goal is not None:
        data['goal'] = dataclasses.asdict(line.goal)
    for name, figures in zip(('in_tree', 'ours'), line.figures):
        data[name] = dataclasses.asdict(figures)
    for what in ('net', 'total'):
        data['ratio_%s' % what] = dataclasses.asdict(line.ratio(what))
    if line.bare:
        data['bare'] = {'total': list(line.bare),
                        'ratio': dataclasses.asdict(line.bare_ratio()),
                        'met': line.bare_verdict()}
    if line.limit:
        data['limit'] = list(line.limit)
    return data


def _row(line, what, judge=False):
    cells = [line.title]
    for figures in line.figures:
        cells.append(milliseconds(
            goals.spread(getattr(figures, what)).median))
        cells.append('%d/%d' % (figures.children.started,
                                figures.children.programs))
    cells.append(_ratio(line.ratio(what)))
    if judge:
        cells.append(str(line.goal or ''))
        cells.append(_MET[line.verdict()])
    return cells


def _bare_row(line):
    goal = line.goal.bare if line.goal else None
    return [line.title,
            milliseconds(goals.spread(line.bare).median),
            milliseconds(goals.spread(line.figures[1].net).median),
            _precise(line.bare_ratio()),
            '' if goal is None else '<= %g' % goal,
            _MET[line.bare_verdict()]]


def _limit_row(line):
    in_tree, ours = (one.net for one in line.figures)
    return [line.title,
            *(milliseconds(goals.spread(values).median)
              for values in (in_tree, line.limit, ours)),
            _ratio(goals.ratios(in_tree, line.limit)),
            _precise(goals.ratios(ours, line.limit))]


def milliseconds(value):
    """Three digits that mean something."""
    if value < 10:
        return '%.*f' % (2 if value >= 1 else 3, value)
    return '%.*f' % (1 if value < 100 else 0, value)


def _precise(spread):
    return '%.2f (%.2f..%.2f)' % (spread.median, spread.low, spread.high)


def _ratio(spread):
    return '%s (%s..%s)' % tuple(
        _times(value) for value in (spread.median, spread.low, spread.high))


def _times(value):
    return '%.1f' % value if value < 20 else '%.0f' % value


def _table(rows):
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, '  '.join('-' * width for width in widths))
    return '\n'.join(lines)


def _line(row, widths):
    """The first column to the left, figures to the right."""
    first, *others = zip(row, widths)
    cells = [first[0].ljust(first[1])]
    cells += [cell.rjust(width) for cell, width in others]
    return '  '.join(cells).rstrip()
