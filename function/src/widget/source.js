// The widget: counts the page that it is on, and shows the numbers there. Keeps nothing in the browser, throws nothing, and
// on any trouble leaves the page as its author wrote it.
//
// What is served is ../widget.js, or ../widget_queued.js where hits go onto a queue and are answered without numbers: this text
// without its comments and spaces, without the lines that are marked as the other's, and with the short names of the line below,
// which were chosen so that the first compresses best. The tests beside this file hold the two together, and their sizes;
// `HITCTL_UPDATE_WIDGET=1 cargo test -p hit-counter widget` writes the served one. No regular expressions, and no single
// quotes: the test's reader does not know them.
//
// names: counted=c place=e page=p script=s push=d ask=r what=t init=o left=p it=a look=n value=t path=o numbers=i
{
  let counted, place = location, page = document, script = page.currentScript, push,

  // One request. What is throttled (429) or busy (503) is sent again, five times at most, each after up to three seconds by
  // chance: over seven seconds on average, which outlasts a cold start. Those two leave 22 when divided by 37. A failed network
  // has no status and is asked again too: a gateway that throttles may do so without CORS headers, and then nothing can be
  // read.
  ask = (what, init, left = 5) => fetch(new URL(what, script.src), init).catch(it => it).then(it =>
    it.status % 37 - 22 || !left-- ? it.json()
      : new Promise(it => setTimeout(it, 3e3 * Math.random())).then(it => ask(what, init, left))
  ),

  // Counts the page once somebody sees it. Browsers paint neither a page that is being prerendered nor a tab behind others;
  // one that calls back all the same is asked whether it is hidden. (`visibilitychange` is too early for a prerendered page:
  // what is sent then is still marked as a prefetch, and not counted.)
  look = (value, path, numbers) => new Promise(requestAnimationFrame).then(async it => {
    if (page.hidden) look();
    // The path is the canonical one if it is of this very host, so that one page has one count. Not where a script changes
    // pages (`push`): there the canonical link is often that of the first page for ever.
    else if (counted != (path = (
      (value = new URL(push ? place : page.querySelector("[rel=canonical]")?.href || place)).host == place.host ? value : place
    ).pathname)) {
      // A text makes a simple request, which needs no preflight; `keepalive`, which is anything true, gets it through even if
      // the reader leaves at once. A path has no quotes and no backslashes: URLs encode them.
      numbers = await // only: direct
      ask("hit", {
        keepalive: page,
        body: `{"p":"${counted = path}","b":${+navigator.webdriver}}`, // only: direct
        // The header that says so does not get onto a queue.
        body: `{"p":"${counted = path}","b":${+navigator.webdriver},"g":${navigator.doNotTrack == 1 | navigator.globalPrivacyControl}}`, // only: queued
        method: "post"
      })
      // The numbers are those of before this hit, which waits for its turn; and are shown even if it was not taken.
      .catch(it => it); numbers = await ask("count?path=" + encodeURIComponent(path)) // only: queued
      ;
      for (it of page.querySelectorAll("[data-hitctl]," + script.dataset.show))
        value = it.dataset.hitctl,
        value = value == "site" ? await ask("count") : numbers[value || "hits"],
        value = value?.hits ?? value,
        // Only numbers: without visitors there is no `uniques`. And none of a page that the reader has left.
        counted == path && value === +value && (it.textContent = value.toLocaleString())
    }
  }).catch(it => it);

  // A module has no script of its own to ask for its address, a file has no host, a frame is no page, and two widgets of
  // one counter count once. Nothing runs again when a page comes back from the browser's back/forward cache.
  script && top == this && !page[script.src] && (page[script.src] = place.host) && look(
    script.dataset.spa + 1 && (
      addEventListener("popstate", look),
      push = history.pushState.bind(history),
      history.pushState = (...it) => look(push(...it))
    )
  )
}
