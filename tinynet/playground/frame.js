// A frame while time runs: steps, and those parts of the picture that its time allows.

const FRAME = 1000 / 60, LEAST = 4; // milliseconds: of a frame, and of the steps' in any case
const rest = {cost: 4}; // what the browser does for any frame
const painted = new MessageChannel(); // its message arrives when a frame has been painted
let queue = []; // the parts, longest ago drawn first

function frame() {
  requestAnimationFrame(frame);
  if (!playing) return;
  const began = performance.now(), time = FRAME - rest.cost;
  take_steps(Number($("speed").value), began + Math.max(LEAST, time / 2));
  const stepped = performance.now() - began, drawn = [], done = [], waiting = [];
  let spent = stepped;
  for (const part of queue) {  // the first in any case, others if they fit
    if (drawn.length && spent + part.cost > time) waiting.push(part);
    else {
      done.push(part);
      if (part.draw() === false) continue; // nothing had changed
      spent += part.cost;
      drawn.push(part);
    }
  }
  if (!playing) return draw(); // the loss was lost
  queue = [...waiting, ...done];
  painted.port1.onmessage = () => learn([rest, ...drawn], performance.now() - began - stepped);
  painted.port2.postMessage(null);
}

// A canvas is filled after the script: what each part costs follows from the frames it was in
function learn(drawn, took) {
  const expected = drawn.reduce((sum, {cost}) => sum + cost, 0);
  const ratio = Math.max(0.5, Math.min(2, took / expected));
  for (const part of drawn) part.cost = Math.max(0.05, part.cost * (0.8 + 0.2 * ratio));
}

function take_steps(count, until) {
  for (let i = 0; i < count && performance.now() < until; i++) {
    run.step();
    while (ghost && ghost.run.model.steps < run.model.steps) ghost.run.step();
  }
}
