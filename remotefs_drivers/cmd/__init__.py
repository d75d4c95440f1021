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

"""The operators' command, ``cinder-remotefs``.

    main          the cliff application
    demo          "demo": the command and what it prints in the end
    walkthrough   the steps of the demo
    snapshots     those about snapshots
    attached      those with a guest that has the volume
    disks         the volumes of all of them
    sample        the image that it uses, made on the spot
    content       comparing what files hold, byte by byte
    reporter      a line with its time for each step
"""
