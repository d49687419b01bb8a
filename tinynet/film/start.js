// ---------------------------------------------------------------------------------- start

document.documentElement.classList.add("js");
const waiting = () => { $("#now").innerHTML = `<div><dt>${T("waiting")}</dt></div>`; };

function whole() { // everything anew: another width, language or colour scheme, or a new frame
  label();
  play(timer !== null);
  if (!FRAMES.length) return waiting();
  tell();
  curves();
  layers();
  outputs();
  units();
}

listen();
listenMoments();
for (const b of $$(".choice button")) b.addEventListener("click", () => { unitsShow = b.dataset.of; if (FRAMES.length) units(); });
measure();
drawn = [() => charts.forEach(c => c.mark()), markSigns, outputs, units];
languages(whole);
addEventListener("resize", whole);
dark.addEventListener("change", whole);
if (S.live) addEventListener("message", event => {
  if (event.source !== parent) return;
  add(event.data);
  if (FRAMES.length) whole();
});
