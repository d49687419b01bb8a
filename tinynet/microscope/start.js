// --------------------------------------------------------------------------------------- start

document.documentElement.classList.add("js");
for (const d of $$("data")) d.title = d.value;
languages(() => { if (network) tellPage(); });
deep.open = false; // without this script it is open
walk();
tell();
samples();
selectSample(S.story.worst);
for (const box of $$(".drill")) pickWeight(Number(box.dataset.param), Number(box.dataset.i), Number(box.dataset.j));
dark.addEventListener("change", () => {
  maps.forEach(m => m.draw());
  samples();
  const { n, unit, pixel } = state;
  selectSample(n);
  Object.assign(state, { unit, pixel });
  for (const [k, i, j] of picked.values()) pickWeight(k, i, j);
});
addEventListener("resize", () => $$(".cursor").forEach(c => { if (!c.closest(".big")) c.hidden = true; }));
go(0);
open(location.hash);
