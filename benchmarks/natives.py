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

"""The verbs of drivers that leave snapshots and copies to somebody else."""

import statistics


class Bench:
    """:param driver: set up, of a rig"""

    def __init__(self, rig, driver):
        self.rig = rig
        self.driver = driver

    def prepare(self, operation):
        """What it needs, untimed; returns the call, and what it made."""
        return getattr(self, '_' + operation.replace(', ', '_').replace(
            ' ', '_'))()

    def remove(self, things):
        """Snapshots first."""
        for each in sorted(things, key=lambda one: hasattr(one, 'volume_id'),
                           reverse=True):
            if hasattr(each, 'volume_id'):
                self.rig.delete_snapshot(self.driver, each)
            else:
                self.driver.delete_volume(each)
                each.destroy()

    def _create(self):
        volume = self.rig.new_volume(self.driver)
        return lambda: self.driver.create_volume(volume), [volume]

    def _snapshot(self):
        volume = self.rig.volume(self.driver)
        snapshot = self.rig.new_snapshot(volume)
        return (lambda: self.driver.create_snapshot(snapshot),
                [volume, snapshot])

    def _copy_of_a_snapshot(self):
        volume = self.rig.volume(self.driver)
        snapshot = self.rig.snapshot(self.driver, volume)
        copy = self.rig.new_volume(self.driver)
        return (lambda: self.driver.create_volume_from_snapshot(
            copy, snapshot), [copy, volume, snapshot])

    def _clone(self):
        volume = self.rig.volume(self.driver)
        copy = self.rig.new_volume(self.driver)
        return (lambda: self.driver.create_cloned_volume(copy, volume),
                [copy, volume])

    def _delete_snapshot(self):
        volume = self.rig.volume(self.driver)
        snapshot = self.rig.snapshot(self.driver, volume)
        return (lambda: self.rig.delete_snapshot(self.driver, snapshot),
                [volume])

    def _delete(self):
        volume = self.rig.volume(self.driver)
        return lambda: self.driver.delete_volume(volume), []

    def _delete_a_parent_waits(self):
        volume = self.rig.volume(self.driver)
        self.rig.delete_snapshot(self.driver, self.rig.snapshot(self.driver,
                                                                volume))
        return lambda: self.driver.delete_volume(volume), []

    def _extend(self):
        volume = self.rig.volume(self.driver)
        return lambda: self.driver.extend_volume(volume, 2), [volume]

    def _attach(self):
        volume = self.rig.volume(self.driver)
        return (lambda: self.driver.initialize_connection(volume, {}),
                [volume])

    def _stats(self):
        return lambda: self.driver.get_volume_stats(refresh=True), []


def measure(benches, operation, rounds, clock):
    """:returns: median of milliseconds without the database, of each bench
    """
    samples = [[] for __ in benches]
    for __ in range(rounds):
        for bench, found in zip(benches, samples):
            call, things = bench.prepare(operation)
            found.append(clock.time(call).net)
            bench.remove(things)
    return [statistics.median(found) for found in samples]


def count(benches, operation, counter):
    """:returns: children of one call, of each bench"""
    counted = []
    for bench in benches:
        call, things = bench.prepare(operation)
        counted.append(counter.count(call).started)
        bench.remove(things)
    return counted
