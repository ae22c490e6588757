"""The stages of a detector's recipe. Left out: text, whose stages lie beside this folder."""
