// ------------------------------------------------------------------------------- the moments
// A moment is the microscope's page in parts: those that all have, and its own, compressed.

function nearestMoment() {
  const all = FRAMES.map((f, k) => k).filter(k => FRAMES[k].moment);
  return all.reduce((best, k) => best < 0 || Math.abs(k - at) < Math.abs(best - at) ? k : best, -1);
}

async function inflated(text) {
  const stream = new Blob([unpacked(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

async function openMoment() {
  const k = nearestMoment(), box = $(".moment-page"), f = FRAMES[k];
  play(false);
  if (k < 0) return;
  $("#moment-h").innerHTML = T("moment.title", { epoch: epochOf(f) });
  $("#nearest").innerHTML = k === at ? "" : T("moment.nearest", { epoch: epochOf(f), frames: FRAMES.length, moments: FRAMES.filter(g => g.moment).length });
  box.innerHTML = "";
  $("#moment").showModal();
  if (!("DecompressionStream" in window)) {
    box.innerHTML = `<p class="note">${T("moment.old")}</p>`;
    return;
  }
  const parts = { ...S.shared, ...await inflated(f.moment), LANGUAGE: korean() ? "ko" : "en" };
  const page = document.createElement("iframe");
  page.title = plain("moment.title", { epoch: epochOf(f) });
  page.setAttribute("sandbox", "allow-scripts");
  page.srcdoc = S.shell.replace("{{BODY}}", () => parts.BODY).replace(/\{\{([A-Z]+)\}\}/g, (_, name) => parts[name]);
  box.replaceChildren(page);
}

function listenMoments() {
  const dialog = $("#moment");
  $("#open").addEventListener("click", () => openMoment());
  $("#close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => { $(".moment-page").innerHTML = ""; $("#open").focus(); });
}
