// The notice inside JupyterLab: when the notebook will be stopped to make room for others; when it will stop because nobody uses it, and
// a button that keeps it; else what its users are to know, such as that its files are nearly full, until they have seen it.
//
// A prebuilt JupyterLab extension by hand: what a page loads of one is a container of webpack's module federation, an object with
// `init` and `get` under window._JUPYTERLAB. This one needs nothing of JupyterLab's own modules. It asks the notebook's door, which
// does not count that as use.
(() => {
  const NAME = 'quire-idle';
  const ASK_EVERY_MS = 10000;
  const KEEP_SECONDS = 2 * 3600;
  // So long it is said that the wish was heard.
  const SAID_MS = 15000;
  // So long before its maximum duration is over it is said, whether it is used or not.
  const END_IS_NEAR_MS = 5 * 60000;

  // The reason of a notebook that makes room, as the scheduler words it (crates/scheduler/src/app/leave.rs).
  const MAKES_ROOM = /^will be stopped at (\S+Z)(?:: (.*))?$/s;

  const clock = (time) => new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });

  function bar() {
    const box = document.createElement('div');
    box.id = 'quire-idle-notice';
    box.setAttribute('role', 'status');
    box.setAttribute('aria-live', 'polite');
    box.style.cssText =
      'display:none;position:fixed;left:50%;transform:translateX(-50%);bottom:2.5rem;z-index:10000;max-width:90vw;' +
      'padding:.6rem 1rem;border-radius:4px;align-items:center;gap:1rem;font:14px/1.4 sans-serif;' +
      'background:#3a2d00;color:#fff;box-shadow:0 2px 8px rgba(0,0,0,.4)';
    const text = document.createElement('span');
    const keep = document.createElement('button');
    keep.type = 'button';
    keep.textContent = 'Keep it 2 hours';
    keep.style.cssText =
      'font:inherit;padding:.3rem .8rem;border:1px solid #fff;border-radius:3px;background:#fff;color:#3a2d00;cursor:pointer;white-space:nowrap';
    const seen = keep.cloneNode();
    seen.textContent = 'Understood';
    box.append(text, keep, seen);
    document.body.append(box);
    return { box, text, keep, seen };
  }

  function activate() {
    const { box, text, keep, seen } = bar();
    let saidUntil = 0;
    let note = '';
    let seenNote = '';
    const show = (words, offer, isNote = false) => {
      text.textContent = words;
      keep.style.display = offer ? '' : 'none';
      seen.style.display = isNote ? '' : 'none';
      box.style.display = words ? 'flex' : 'none';
    };
    async function look() {
      let status;
      try {
        const answer = await fetch('/.quire/status', { cache: 'no-store' });
        if (!answer.ok) return;
        status = await answer.json();
      } catch {
        return; // not known now: what was said last stays
      }
      const end = status.runUntil && Date.parse(status.runUntil) - Date.now() <= END_IS_NEAR_MS;
      const costs = status.costs ? ` Until then it costs ${status.costs} an hour.` : '';
      const makesRoom = status.running && MAKES_ROOM.exec(status.reason);
      if (makesRoom) {
        const [, at, because] = makesRoom;
        const why = because ? `: ${because}` : '. Save what you work on.';
        show(`This notebook will be stopped at ${new Date(at).toLocaleTimeString()}${why}`, false);
      } else if (end) {
        show(`This notebook will stop at ${clock(status.runUntil)} because its maximum duration is over then: save what you work on.`, false);
      } else if (status.stopsAt) {
        show(`This notebook will stop at ${clock(status.stopsAt)} because ${status.because}.${costs}`, true);
      } else if (Date.now() >= saidUntil) {
        note = status.note || '';
        const words = note === seenNote || !note ? '' : `${note[0].toUpperCase()}${note.slice(1)}.`;
        show(words, false, true);
      }
    }
    seen.addEventListener('click', () => {
      seenNote = note;
      show('', false);
    });
    keep.addEventListener('click', async () => {
      keep.disabled = true;
      try {
        const answer = await fetch('/.quire/extend', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ seconds: KEEP_SECONDS }),
        });
        const said = await answer.json();
        if (answer.ok) {
          saidUntil = Date.now() + SAID_MS;
          show(`Kept until ${clock(said.keptUntil)}. ${said.note}`, false);
        } else show(`It could not be kept now: ${said.message}`, true);
      } catch {
        show('It could not be kept now: the door does not answer. Try again.', true);
      }
      keep.disabled = false;
    });
    look();
    setInterval(look, ASK_EVERY_MS);
  }

  const extension = { __esModule: true, default: { id: `${NAME}:notice`, autoStart: true, activate } };
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB[NAME] = {
    init: () => undefined,
    get: async () => () => extension,
  };
})();
