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

"""Chains of layers, and plans for them. Pure: nothing here touches a disk.

===========  ================================================================
``model``    Layer and Chain: the files of a volume as they hang together
``info``     the text of ``volume-<id>.info``, Cinder's table of snapshots
``ids``      an id of Cinder's, as it stands in names and tables
``steps``    what can be done to one file, as data
``plan``     one function for each verb: from a Chain to a Plan
``clones``   the files of a volume where the file system makes clones
``cloning``  plans for those
===========  ================================================================
"""
