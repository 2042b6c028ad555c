// Copyright: (c) 2026, Lockstep developers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Follows a closing until it is over, then shows the page that lists the outcomes.
"use strict";

(async () => {
  const card = document.getElementById("closing");
  const bar = document.getElementById("progress");
  const text = document.getElementById("progress-text");
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    try {
      const answer = await fetch(`/api/v1/closings/${card.dataset.job}`);
      if (!answer.ok) break;
      const job = await answer.json();
      bar.value = job.asked;
      text.textContent = job.asked < job.total ? `${job.asked} of ${job.total}` : "Looking again";
      if (job.finished) break;
    } catch {
      // The network comes back, or somebody reloads.
    }
  }
  location.reload();
})();
