import type { Language } from "./text.tsx";

/** What is said when the texts themselves cannot be loaded: after a release that replaced them, or without a hub. */
export const without: Record<Language, { title: string; next: string; reload: string }> = {
  en: {
    title: "The console could not be loaded whole",
    next: "Look at your network, and reload the page. On one machine, see whether dth local still runs.",
    reload: "Reload",
  },
  "zh-CN": {
    title: "控制台未能完整加载",
    next: "请检查网络并重新加载页面。在本机上，请查看 dth local 是否仍在运行。",
    reload: "重新加载",
  },
};
