package platforms

import (
	"os"
	"path/filepath"
)

const exeSuffix = ".exe"

func usualLayout() Layout {
	programs := folder("ProgramFiles", `C:\Program Files`)
	data := folder("ProgramData", `C:\ProgramData`)
	return Layout{
		Bin:   filepath.Join(programs, "limpet", "bin"),
		Ver:   filepath.Join(programs, "limpet", "ver"),
		State: filepath.Join(data, "limpet", "state"),
		Etc:   filepath.Join(data, "limpet"),
		Log:   filepath.Join(data, "limpet", "log"),
	}
}

func folder(variable, fallback string) string {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	return fallback
}
