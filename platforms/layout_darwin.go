package platforms

const exeSuffix = ""

func usualLayout() Layout {
	const support = "/Library/Application Support/limpet"
	return Layout{
		Bin:   "/opt/limpet/bin",
		Ver:   "/opt/limpet/ver",
		State: support + "/state",
		Etc:   support,
		Log:   "/Library/Logs/limpet",
	}
}
