# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change feed: what happens below a directory, as records that an event source hands on.

It follows a directory as the watcher does, and leaves everything durable to the cluster: its
checkpoints are snapshots. Whoever takes the records slows it down; nothing is piled up here.
"""
