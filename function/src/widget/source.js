// The widget: counts the page that embeds it, and shows the counts on the page. It stores nothing in the browser, throws no
// errors, and changes nothing on the page if a request fails.
//
// The served files are ../widget.js and, for a counter that queues hits and responds without counts, ../widget_queued.js. They
// are this source without comments and spaces, without the lines that are marked for the other file, and with the short names
// of the `names` line below. These names were chosen because ../widget.js compresses best with them. The tests next to this file
// check the contents and the sizes of both files; `HITCTL_UPDATE_WIDGET=1 cargo test -p hit-counter widget` writes the files.
// This source must not contain regular expressions or single quotes, because the minifier in the tests cannot parse them.
//
// names: counted=c place=e page=p script=s push=d ask=r what=t init=o left=p it=a look=n value=t path=o numbers=i
{
  let counted, place = location, page = document, script = page.currentScript, push,

  // Sends a request. If the response is 429 (throttled) or 503 (busy), the request is sent again, at most five times, each after
  // a random pause of up to three seconds. That is over seven seconds on average, which is longer than a cold start. Divided by
  // 37, both statuses have the remainder 22. A network error has no status and is retried too: a gateway may throttle without
  // CORS headers, and then the browser hides the status.
  ask = (what, init, left = 5) => fetch(new URL(what, script.src), init).catch(it => it).then(it =>
    it.status % 37 - 22 || !left-- ? it.json()
      : new Promise(it => setTimeout(it, 3e3 * Math.random())).then(it => ask(what, init, left))
  ),

  // Counts the page when it becomes visible. Browsers do not paint prerendered pages and background tabs, so they do not call
  // back; in case one does, `page.hidden` is checked. (`visibilitychange` is too early for a prerendered page: a request that is
  // sent then is still marked as a prefetch and is not counted.)
  look = (value, path, numbers) => new Promise(requestAnimationFrame).then(async it => {
    if (page.hidden) look();
    // The path is that of the canonical link if the link has the same host, so that one page has one count. In a single-page
    // application (`push`), the canonical link is ignored, because it often remains that of the first page.
    else if (counted != (path = (
      (value = new URL(push ? place : page.querySelector("[rel=canonical]")?.href || place)).host == place.host ? value : place
    ).pathname)) {
      // A string body makes a simple request, which needs no preflight. With `keepalive` (any true value), the request is sent
      // even if the visitor leaves at once. The path needs no JSON escapes, because URLs encode quotes and backslashes.
      numbers = await // only: direct
      ask("hit", {
        keepalive: page,
        body: `{"p":"${counted = path}","b":${+navigator.webdriver}}`, // only: direct
        // The body contains the opt-out (`g`), because a queue does not pass on request headers.
        body: `{"p":"${counted = path}","b":${+navigator.webdriver},"g":${navigator.doNotTrack == 1 | navigator.globalPrivacyControl}}`, // only: queued
        method: "post"
      })
      // These counts do not include this hit, which is still in the queue. They are shown even if the hit failed.
      .catch(it => it); numbers = await ask("count?path=" + encodeURIComponent(path)) // only: queued
      ;
      for (it of page.querySelectorAll("[data-hitctl]," + script.dataset.show))
        value = it.dataset.hitctl,
        value = value == "site" ? await ask("count") : numbers[value || "hits"],
        value = value?.hits ?? value,
        // Shows only numbers, because `uniques` is missing if visitors are not counted. Shows nothing if the visitor has
        // moved on to another page.
        counted == path && value === +value && (it.textContent = value.toLocaleString())
    }
  }).catch(it => it);

  // Does nothing in a module (which has no `currentScript`), in a local file (which has no host) and in a frame. Two widgets of
  // the same counter count once. Nothing runs when the browser restores a page from its back/forward cache.
  script && top == this && !page[script.src] && (page[script.src] = place.host) && look(
    script.dataset.spa + 1 && (
      addEventListener("popstate", look),
      push = history.pushState.bind(history),
      history.pushState = (...it) => look(push(...it))
    )
  )
}
