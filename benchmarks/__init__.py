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

"""What our NfsDriver costs, beside the one in Cinder's tree.

``python -m benchmarks.run`` (from the top folder of the repository, in an
environment with the extra ``test``) measures both in one process on one file
system, and prints a table. The modules:

==============  =============================================================
``run``         the command: options, folders, and what becomes of them
``inside``      the process that measures
``filesystem``  an XFS on a loop device, which surely goes again; a second one
                for copies, since the kernel shares blocks wherever it can
``session``     a Cinder around the drivers, and the order of things
``subjects``    the two drivers, on folders instead of mounted shares
``operation``   what each kind of call has in common
``operations``  what is measured: one class for each kind of call
``snapshots``   the same, for snapshots and volumes that have some
``chains``      volumes with many snapshots, made in no time
``meter``       the time of a call, of Cinder's database in it, and children
``rounds``      batches of calls, in turns
``goals``       what was promised, and whether it is kept
``report``      the tables and the JSON file
==============  =============================================================

Copies are durable in our driver: a volume that Cinder calls available is
there after a crash of the host. The in-tree driver lets qemu-img write with
the cache mode ``unsafe``, which flushes nothing, so that its time for a copy
has no disk in it. On a slow disk no durable copy is as many times faster as
the goal says; the goal stays, "met" says NO, and a table of its own tells how
long the same bytes take to the disk without any driver.

No test asserts a time: a machine that does something else as well would make
it fail. tests/unit/test_benchmarks.py holds the arithmetic.
"""
