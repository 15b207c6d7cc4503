// The platform's own pages: htmx with server-sent events, and the few things that HTML alone cannot do.
import "htmx.org";
import "htmx.org/dist/ext/hx-sse.js";
import { copyButtons } from "./copy";
import { yamlFields } from "./editor";
import { secretFromFragment } from "./fragment";
import { keyboard } from "./keyboard";
import { followingLogs } from "./logs";
import { menus } from "./menus";
import { sheets } from "./sheets";
import { streams } from "./streams";
import { times } from "./times";

document.documentElement.classList.add("scripted");
times();
copyButtons();
keyboard();
menus();
sheets();
followingLogs();
yamlFields();
secretFromFragment();
streams();
