// The widget: counts the page that it is on, and shows the numbers there. Keeps nothing in the browser, throws nothing, and
// on any trouble leaves the page as its author wrote it.
//
// What is served is ../widget.js: this text without its comments and spaces, and with the short names of the line below,
// which were chosen so that it compresses best. The tests beside this file hold the two together, and their sizes;
// `HITCTL_UPDATE_WIDGET=1 cargo test -p hit-counter widget` writes the served one. No regular expressions, and no single
// quotes: the test's reader does not know them.
//
// names: page=m script=s place=e push=a counted=l ask=r what=t init=c left=i it=n look=o path=p value=t numbers=h
{
  let page = document, script = page.currentScript, place = location, push, counted,

  // One request. What is throttled (429) or busy (503) is asked again, twice at most, after up to two seconds by chance; those
  // two are what leaves 22 when divided by 37. A failed network has no status and is asked again too: a gateway that
  // throttles may do so without CORS headers, and then nothing can be read.
  ask = (what, init, left = 2) => fetch(new URL(what, script.src), init).catch(it => it).then(it =>
    it.status % 37 - 22 || !left-- ? it.json()
      : new Promise(it => setTimeout(it, 2e3 * Math.random())).then(it => ask(what, init, left))
  ),

  // Counts the page once somebody sees it: a tab that was opened behind others and a page that was prerendered are hidden.
  look = (path, value, numbers) => new Promise(it =>
    page.hidden ? addEventListener("visibilitychange", it) : it()
  ).then(async it => {
    // The path is the canonical one if it is of this very host, so that one page has one count. Not where a script changes
    // pages (`push`): there the canonical link is often that of the first page for ever.
    if (counted != (path = (
      (value = new URL(push ? place : page.querySelector("[rel=canonical]")?.href || place)).host == place.host ? value : place
    ).pathname)) {
      // A text makes a simple request, which needs no preflight; `keepalive` gets it through even if the reader leaves at
      // once. A path has no quotes and no backslashes: URLs encode them.
      numbers = await ask("hit", {
        keepalive: page,
        body: `{"p":"${counted = path}","b":${+navigator.webdriver}}`,
        method: "post"
      });
      for (it of page.querySelectorAll("[data-hitctl]," + script.dataset.show))
        value = it.dataset.hitctl || "hits",
        value = value == "site" ? await ask("count") : numbers[value],
        value = value?.hits ?? value,
        // Only numbers: without visitors there is no `uniques`. And none of a page that the reader has left.
        path == counted && value === +value && (it.textContent = value.toLocaleString())
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
