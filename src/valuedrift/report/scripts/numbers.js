// Numbers in words.

export const number = (value) => value.toLocaleString("en");
export const short = (value) => (value < 1e6 ? number(value) : value.toLocaleString("en", { notation: "compact" }));
