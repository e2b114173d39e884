// What a page tries with an API of another origin: by name, a function that says what came of it.
(() => {
  const blocked = () => "blocked";
  const said = async (answer) => `${answer.status} ${await answer.text()}`;
  const code = async (answer) => `${answer.status} ${(await answer.json()).code}`;
  const ask = (url, more) => fetch(url, more).then(said).catch(blocked);
  const refused = (url, more) => fetch(url, more).then(code).catch(blocked);
  const keyed = (key) => ({headers: {"X-API-Key": key}});

  return {
    read: ({api}) => ask(`${api}/any/a`),
    put: ({api}) =>
      ask(`${api}/any/a`, {
        method: "PUT",
        headers: {"Content-Type": "application/json"},
        body: "{}",
      }),
    patch: ({api}) => ask(`${api}/any/a`, {method: "PATCH"}),
    small: ({api}) => ask(`${api}/any/a`, {method: "patch"}),
    unlisted: ({api}) => ask(`${api}/any/a`, {headers: {"X-Secret": "1"}}),
    item: ({api, key}) => ask(`${api}/items`, keyed(key)),
    deleted: ({api, key}) => refused(`${api}/items`, {method: "DELETE", ...keyed(key)}),
    own: ({api, key}) => ask(`${api}/orgs/acme/a`, keyed(key)),
    embedded: ({api, publishable}) => ask(`${api}/items?key=${publishable}`),
    nobody: ({api}) => refused(`${api}/items`),
    nowhere: ({api}) => refused(`${api}/nowhere`),
    large: ({api}) => refused(`${api}/small`, {method: "POST", body: "x".repeat(100)}),
    limited: async ({api}) => {
      try {
        await fetch(`${api}/limited`);
        const answer = await fetch(`${api}/limited`);
        return `${await code(answer)} ${answer.headers.get("Retry-After") !== null}`;
      } catch {
        return "blocked";
      }
    },
    exposed: ({api}) =>
      fetch(`${api}/any/a`)
        .then(({headers}) => `${headers.has("X-Request-Id")} ${headers.has("X-Internal")}`)
        .catch(blocked),
    cookie: async ({api}) => {
      await fetch(`${api}/any/login`, {method: "POST", credentials: "include"}).catch(blocked);
      return ask(`${api}/any/me`, {credentials: "include"});
    },
    anonymous: ({api}) => ask(`${api}/any/me`),
    open: ({api}) => ask(`${api}/open/a`),
    openCookie: ({api}) => ask(`${api}/open/a`, {credentials: "include"}),
    events: ({api}) =>
      new Promise((resolve) => {
        const source = new EventSource(`${api}/any/events`, {withCredentials: true});
        const end = (outcome) => (source.close(), resolve(outcome));
        source.onmessage = (event) => end(event.data);
        source.onerror = () => end("blocked");
      }),
    socket: ({api}) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`${api.replace("http", "ws")}/strict/socket`);
        socket.onopen = () => (socket.close(), resolve("open"));
        socket.onerror = () => resolve("blocked");
      }),
    strict: ({api}) => ask(`${api}/strict/a`, {method: "DELETE"}),
    unseen: ({api}) =>
      fetch(`${api}/any/unseen`, {method: "POST", mode: "no-cors", body: "x"})
        .then((answer) => `${answer.type} ${answer.status}`)
        .catch(blocked),
    form: ({api}) =>
      new Promise((resolve) => {
        const frame = document.createElement("iframe");
        frame.name = "answer";
        const form = document.createElement("form");
        Object.assign(form, {action: `${api}/any/form`, method: "POST", target: "answer"});
        form.innerHTML = '<input name="field" value="value">';
        document.body.append(frame, form);
        frame.onload = () => {
          if (frame.contentDocument === null) resolve("unreadable");
          else if (frame.contentDocument.URL !== "about:blank") resolve("readable");
        };
        form.submit();
      }),
    sandboxed: ({api}) =>
      new Promise((resolve) => {
        window.onmessage = (event) => resolve(event.data);
        const frame = document.createElement("iframe");
        frame.sandbox = "allow-scripts";
        frame.srcdoc = `<script>
          fetch("${api}/any/a").then(() => "read", () => "blocked")
            .then((outcome) => parent.postMessage(outcome, "*"));
        </script>`;
        document.body.append(frame);
      }),
  };
})()
